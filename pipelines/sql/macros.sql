-- Answers to the usual questions, as table macros: FROM yield_by_stage(). docs/sql.md shows each.

-- What each stage took, kept, dropped and failed, in the order of the flow.
CREATE MACRO yield_by_stage() AS TABLE
SELECT b.stage, b.unit, sum(b.taken) AS taken, sum(b.kept) AS kept, sum(b.dropped) AS dropped, sum(b.failed) AS failed,
    round(100 * sum(b.kept) / nullif(sum(b.taken), 0), 1) AS percent_kept
FROM balances b GROUP BY b.position, b.stage, b.unit ORDER BY b.position, min(b.unit_position);

-- What each stage took, in all and per question that came through.
CREATE MACRO cost_per_kept() AS TABLE
WITH kept AS (SELECT count(*) AS questions FROM outcomes WHERE ended IN ('published', 'accepted'))
SELECT stage, round(sum(seconds), 3) AS seconds,
    round(1000 * sum(seconds) / nullif(any_value(questions), 0), 3) AS ms_per_kept
FROM work, kept GROUP BY position, stage ORDER BY position;

-- What models were paid for each job, in all and per question that came through.
CREATE MACRO spent_per_kept() AS TABLE
WITH kept AS (SELECT count(*) AS questions FROM outcomes WHERE ended IN ('published', 'accepted'))
SELECT job, role, model, count(*) AS replies, count(*) FILTER (error IS NOT NULL) AS without_answer,
    sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, round(sum(money), 6) AS money,
    round(sum(money) / nullif(any_value(questions), 0), 6) AS money_per_kept
FROM replies, kept GROUP BY job, role, model ORDER BY sum(money) DESC, job, role, model;

-- Families whose full question is solved least often; where nobody tried to solve them, those with the smallest margin.
CREATE MACRO hardest_families(most := 20) AS TABLE
SELECT family_id, any_value(shape) AS shape, max(hop_count) AS hops, sum(attempts) AS attempts,
    round(sum(solve_rate * attempts) / sum(attempts), 3) AS solve_rate, round(min(margin), 2) AS margin
FROM outcomes WHERE variant = 'full' AND ended <> 'dropped'
GROUP BY family_id ORDER BY solve_rate NULLS LAST, min(margin), family_id LIMIT most;

-- How each judge's outcomes stand to what most people answered.
CREATE MACRO judge_vs_people() AS TABLE
SELECT judge, outcome, count(*) AS questions, count(*) FILTER (v.most_given = q.answer) AS people_agree,
    count(*) FILTER (v.most_given IS DISTINCT FROM q.answer) AS people_disagree
FROM verdicts JOIN votes v USING (question_id) JOIN (SELECT question_id, answer FROM questions) q USING (question_id)
GROUP BY judge, outcome ORDER BY judge, outcome;

-- What one category became, from pictures to published questions.
CREATE MACRO category_story(name) AS TABLE
SELECT station, count FROM (
    SELECT 1 AS position, 'pictures that show it' AS station, count(*) AS count FROM categories WHERE category = name
    UNION ALL SELECT 2, 'instances', count(*) FROM instances WHERE category = name
    UNION ALL SELECT 3, 'pictures where it may be counted', count(*) FROM categories WHERE category = name AND countable
    UNION ALL SELECT 4, 'pictures where it is not counted: ' || reason, count(*) FROM categories
        WHERE category = name AND NOT countable GROUP BY reason
    UNION ALL SELECT 5, 'questions that name it', count(*) FROM questions WHERE list_contains(categories, name)
    UNION ALL SELECT 6, 'of these ' || ended, count(*) FROM outcomes WHERE list_contains(categories, name) GROUP BY ended
) ORDER BY position, station;
