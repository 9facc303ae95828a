-- What every connection to a dataset has beside its tables: views that put them together. docs/sql.md explains them.

-- Decisions as they stand with people's word, or the reward model's: what this accepts is what a release publishes.
-- `pipelines.people.standing` says the same of tables.
CREATE VIEW decisions_in_effect AS
SELECT question_id, d.image_id, coalesce(theirs, d.route) AS route,
    CASE WHEN theirs <> d.route THEN begin || their_reason ELSE d.reason END AS reason
FROM decisions d
LEFT JOIN (
    SELECT question_id, reason AS their_reason,
        CASE WHEN standing = 'confirmed' AND answer = own THEN 'accept' ELSE 'drop' END AS theirs,
        CASE WHEN decided_by = 'reward model' THEN 'reward model: ' ELSE 'people: ' END AS begin
    FROM people WHERE standing <> 'open'
) USING (question_id);

-- Solve rates per question and model, of attempts that saw the picture. One that gave no number says nothing and is not
-- counted as wrong.
CREATE VIEW solve_rates AS
SELECT question_id, any_value(r.image_id) AS image_id, model, count(r.answer) AS attempts,
    count(*) FILTER (r.answer IS NULL) AS without_answer,
    avg((r.answer = q.answer)::INT) AS solve_rate
FROM rollouts r JOIN (SELECT question_id, answer FROM questions) q USING (question_id)
WHERE coalesce(r.view, 'full') = 'full' -- attempts without the picture say how leaky a question is, not how hard
GROUP BY question_id, model;

-- Pairs of ways to one answer: the best one, and one with a known flaw. Same question, same picture.
CREATE VIEW trace_pairs AS
SELECT b.question_id, b.image_id, b.trace_id AS chosen, f.trace_id AS rejected, b.score AS chosen_score,
    f.score AS rejected_score, len(b.steps) AS chosen_steps, len(f.steps) AS rejected_steps, f.first_bad_step, f.cause
FROM traces b JOIN traces f ON f.question_id = b.question_id
WHERE b.kind = 'best' AND f.kind = 'flawed';

-- What people answered, per question: votes that count. Somebody who says that a question has no answer has voted, and
-- not for the stored one.
CREATE VIEW votes AS
SELECT question_id, count(*) AS votes, count(*) FILTER (a.answer = q.answer) AS agreeing,
    mode(a.answer) FILTER (a.answer IS NOT NULL) AS most_given
FROM annotations a JOIN (SELECT question_id, answer FROM questions) q USING (question_id)
WHERE a.counts AND a.purpose <> 'gold'
GROUP BY question_id;

-- How every question ended: published, accepted, people, dropped (where and why) or open.
CREATE VIEW outcomes AS
WITH lost AS (
    SELECT id AS question_id, any_value(stage) AS dropped_by, any_value(reason) AS drop_reason,
        any_value(detail) AS drop_detail
    FROM drops GROUP BY id
),
solved AS (
    SELECT question_id, sum(attempts) AS attempts, sum(solve_rate * attempts) / sum(attempts) AS solve_rate
    FROM solve_rates WHERE attempts > 0 GROUP BY question_id
)
SELECT q.question_id, q.image_id, q.family_id, q.variant, q.style, q.shape, q.cell, q.hop_count, q.answer, q.categories,
    q.margin, q.weakest_fact, q.luck, q.strict,
    CASE
        WHEN s.id IS NOT NULL THEN 'published'
        WHEN l.drop_reason IS NOT NULL THEN 'dropped'
        WHEN d.route = 'people' THEN 'people'
        WHEN d.route = 'accept' THEN 'accepted'
        WHEN d.route = 'drop' THEN 'dropped'
        ELSE 'open'
    END AS ended,
    d.route, coalesce(l.dropped_by, CASE WHEN d.route = 'drop' THEN 'people' END) AS dropped_by,
    coalesce(l.drop_reason, CASE WHEN d.route = 'drop' THEN 'rejected' END) AS drop_reason,
    coalesce(l.drop_detail, CASE WHEN d.route = 'drop' THEN d.reason END) AS drop_detail, s.tier, s.split, r.attempts, r.solve_rate, v.votes, v.agreeing
FROM questions q
LEFT JOIN decisions_in_effect d USING (question_id)
LEFT JOIN lost l USING (question_id)
LEFT JOIN samples s USING (question_id)
LEFT JOIN solved r USING (question_id)
LEFT JOIN votes v USING (question_id);
