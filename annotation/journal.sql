CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);

-- Questions in front of people, with what later steps need to know of them. Nothing of it leaves this file.
CREATE TABLE IF NOT EXISTS candidates (
    question_id TEXT PRIMARY KEY,
    image_id TEXT NOT NULL,
    question TEXT NOT NULL,
    picture TEXT NOT NULL,
    own INTEGER,
    purpose TEXT NOT NULL,
    priority REAL NOT NULL,
    round INTEGER NOT NULL DEFAULT 0
);

-- Who is asked what. meant: not known to be on the server; sent: seen there; gone: deleted there.
CREATE TABLE IF NOT EXISTS assignments (
    key TEXT PRIMARY KEY,
    question_id TEXT NOT NULL REFERENCES candidates,
    annotator TEXT NOT NULL,
    round INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('meant', 'sent', 'gone')),
    task_id INTEGER,
    UNIQUE (question_id, annotator, round)
);

CREATE TABLE IF NOT EXISTS projects (
    annotator TEXT PRIMARY KEY,
    project_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    cursor TEXT NOT NULL DEFAULT '',
    counts TEXT NOT NULL DEFAULT '',
    importing INTEGER NOT NULL DEFAULT 0
);

-- Every version of every answer. Nothing here is ever changed or removed.
CREATE TABLE IF NOT EXISTS versions (
    annotation_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    key TEXT NOT NULL REFERENCES assignments,
    kind TEXT NOT NULL,
    verdict TEXT,
    answer INTEGER,
    seconds REAL,
    note TEXT NOT NULL,
    reported INTEGER NOT NULL,
    problem TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    digest TEXT NOT NULL,
    raw TEXT NOT NULL,
    PRIMARY KEY (annotation_id, version)
);
CREATE INDEX IF NOT EXISTS versions_by_key ON versions (key);

CREATE TABLE IF NOT EXISTS problems (
    problem_id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    annotator TEXT NOT NULL,
    key TEXT NOT NULL,
    detail TEXT NOT NULL
);

-- What the reward model says of questions that would otherwise be asked.
CREATE TABLE IF NOT EXISTS triage (
    question_id TEXT PRIMARY KEY REFERENCES candidates,
    model INTEGER NOT NULL,
    probability REAL NOT NULL,
    route TEXT NOT NULL CHECK (route IN ('accept', 'people', 'drop'))
);

-- What a person decided over the rule, and each time a question was opened again.
CREATE TABLE IF NOT EXISTS rulings (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    question_id TEXT NOT NULL REFERENCES candidates,
    round INTEGER NOT NULL,
    act TEXT NOT NULL CHECK (act IN ('confirm', 'reject', 'reopen')),
    answer INTEGER,
    reason TEXT NOT NULL
);
