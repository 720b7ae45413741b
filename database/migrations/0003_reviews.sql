-- depends: 0002_reviewer
-- The reviews as a function of the set of mentions, our own numbers and the reviewer's last act.

CREATE VIEW public.usable_mentions AS
SELECT m.*
FROM public.drop_mentions AS m
WHERE NOT m.held_back
AND (m.contradicted OR NOT EXISTS (
    SELECT FROM public.own_numbers AS own
    WHERE own.pn = m.author_pn OR own.lid = m.author_lid
));

COMMENT ON VIEW public.usable_mentions IS
'The mentions that reviews are made of: not held back, not written by a number of ours.';

-- A withdrawn mention counts only while the drop has no other: it never takes a review away, and
-- a mistyped drop does not stand in the way of the technician whose drop it is.
CREATE FUNCTION public.counted_mentions(drops text [])
RETURNS TABLE (
    drop_number varchar, chat text, message_id text, project varchar, sent_at timestamptz,
    author_lid text, author_pn text, user_name text, review_project varchar, is_first boolean
) LANGUAGE sql STABLE AS $$
    WITH usable AS (
        SELECT u.*, bool_and(u.withdrawn) OVER (PARTITION BY u.drop_number) AS all_withdrawn
        FROM public.usable_mentions AS u
        WHERE u.drop_number = ANY(drops)
    )
    SELECT
        u.drop_number, u.chat, u.message_id, u.project, u.sent_at,
        CASE WHEN NOT u.contradicted THEN u.author_lid END,
        CASE WHEN NOT u.contradicted THEN u.author_pn END,
        CASE WHEN NOT u.contradicted THEN u.user_name END,
        first_value(u.project) OVER in_order, row_number() OVER in_order = 1
    FROM usable AS u
    WHERE NOT u.withdrawn OR u.all_withdrawn
    WINDOW in_order AS (PARTITION BY u.drop_number ORDER BY u.sent_at, u.chat, u.message_id)
$$;

CREATE FUNCTION public.resubmission_note(sent_at timestamptz)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT to_char($1 AT TIME ZONE 'UTC', '"[twinbridge] resubmitted "YYYY-MM-DD"T"HH24:MI:SS"Z"')
$$;

-- The comment keeps every line of the reviewer and the notes of before the last act; the notes
-- since then are those of the resubmissions given. (plpgsql, because it keeps its plans.)
CREATE FUNCTION public.comment_with_notes(
    comment text, since timestamptz, resubmissions timestamptz []
) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    line text;
    noted text;
    kept text [] := '{}';
    notes text [] := ARRAY(SELECT public.resubmission_note(m) FROM unnest(resubmissions) AS m);
BEGIN
    IF comment IS NULL OR comment NOT LIKE '%[twinbridge] resubmitted %' THEN
        kept := array_remove(ARRAY[nullif(comment, '')], NULL);
        IF notes = '{}' THEN
            RETURN comment;
        END IF;
    ELSE
        FOREACH line IN ARRAY string_to_array(comment, E'\n') LOOP
            noted := substring(
                line FROM '^\[twinbridge\] resubmitted (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\r?$'
            );
            IF noted IS NULL THEN
                kept := kept || line;
            ELSIF noted::timestamptz < since THEN
                notes := notes || trim(TRAILING E'\r' FROM line);
            END IF;
        END LOOP;
    END IF;
    RETURN nullif(array_to_string(
        kept || ARRAY(SELECT DISTINCT note FROM unnest(notes) AS note ORDER BY note), E'\n'
    ), '');
END
$$;

CREATE FUNCTION public.reviews_of(drops text [])
RETURNS TABLE (
    drop_number varchar, project varchar, first_at timestamptz, review_date date,
    submitted_by text, user_name text, resubmitted boolean, incomplete boolean,
    feedback_sent timestamptz, comment text
) LANGUAGE sql STABLE AS $$
    WITH mentions AS MATERIALIZED (
        SELECT c.*
        FROM public.counted_mentions(drops) AS c
        WHERE c.project = c.review_project
    ), acts AS MATERIALIZED (
        -- Messages count whole seconds: one of the same second as the act is taken as later.
        SELECT r.drop_number, date_trunc('second', r.reviewed_at) AS since
        FROM public.qa_photo_reviews AS r
        WHERE r.drop_number = ANY(drops) AND r.reviewed_at IS NOT NULL
    ), resubmissions AS (
        SELECT m.drop_number, array_agg(DISTINCT m.sent_at) AS moments
        FROM mentions AS m
        LEFT JOIN acts ON acts.drop_number = m.drop_number
        -- A review that stood before the ledger is no message: it cannot come again.
        WHERE m.chat <> ''
        AND CASE WHEN acts.since IS NULL THEN NOT m.is_first ELSE m.sent_at >= acts.since END
        AND NOT EXISTS (
            SELECT FROM mentions AS p
            WHERE p.drop_number = m.drop_number
            AND (p.sent_at, p.chat, p.message_id) < (m.sent_at, m.chat, m.message_id)
            AND p.sent_at >= m.sent_at - (SELECT same_submission FROM public.ledger_settings)
            AND (acts.since IS NULL OR p.sent_at >= acts.since)
            AND (
                p.author_lid = m.author_lid
                OR p.author_pn = m.author_pn
                OR (p.chat = '' AND p.sent_at = m.sent_at)
            )
        )
        GROUP BY m.drop_number
    ), newest AS (
        SELECT DISTINCT ON (m.drop_number) m.*
        FROM mentions AS m
        WHERE m.author_lid IS NOT NULL OR m.author_pn IS NOT NULL OR m.user_name IS NOT NULL
        ORDER BY m.drop_number, m.sent_at DESC, m.chat DESC, m.message_id DESC
    )
    SELECT
        f.drop_number, f.project, f.sent_at,
        (f.sent_at AT TIME ZONE (SELECT timezone FROM public.ledger_settings))::date,
        coalesce(n.author_pn, (
            SELECT p.author_pn FROM mentions AS p
            WHERE p.drop_number = n.drop_number AND p.author_lid = n.author_lid
            AND p.author_pn IS NOT NULL
            ORDER BY p.sent_at DESC, p.chat DESC, p.message_id DESC LIMIT 1
        )),
        left(coalesce(n.user_name, (
            SELECT p.user_name FROM mentions AS p
            WHERE p.drop_number = n.drop_number
            AND (p.author_lid = n.author_lid OR p.author_pn = n.author_pn)
            AND p.user_name IS NOT NULL
            ORDER BY p.sent_at DESC, p.chat DESC, p.message_id DESC LIMIT 1
        )), 100),
        CASE WHEN s.moments IS NULL THEN coalesce(r.reviewed_resubmitted, false) ELSE true END,
        CASE WHEN s.moments IS NULL THEN coalesce(r.reviewed_incomplete, false) ELSE false END,
        CASE WHEN s.moments IS NULL THEN r.reviewed_feedback_sent END,
        public.comment_with_notes(r.comment, acts.since, coalesce(s.moments, '{}'))
    FROM mentions AS f
    LEFT JOIN newest AS n ON n.drop_number = f.drop_number
    LEFT JOIN resubmissions AS s ON s.drop_number = f.drop_number
    LEFT JOIN acts ON acts.drop_number = f.drop_number
    LEFT JOIN public.qa_photo_reviews AS r
        ON r.drop_number = f.drop_number AND r.drop_number = ANY(drops)
    WHERE f.is_first
$$;

CREATE FUNCTION public.drops_without_review(drops text [])
RETURNS text [] LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN ARRAY(
        SELECT DISTINCT u.drop_number::text FROM public.usable_mentions AS u
        WHERE u.drop_number = ANY(drops) AND NOT EXISTS (
            SELECT FROM public.qa_photo_reviews AS r
            WHERE r.drop_number = u.drop_number AND r.drop_number = ANY(drops)
        )
    );
END
$$;

-- Makes the reviews of these drops what their mentions say. READ COMMITTED is part of the rule:
-- every statement after the lock sees all that was committed, so the last one to hold the lock
-- computes over the complete set. Locks are taken in the order of the drops. Without a bridge, a
-- row that is inserted belongs to whichever heard the drop first. The planner cannot know how many
-- drops an array holds and would join 500 of them with 500 row by row, hence no nested loops.
CREATE FUNCTION public.settle_reviews(bridge text, drops text [])
RETURNS integer LANGUAGE plpgsql
SET twinbridge.settling = 'on' SET enable_nestloop = off SET jit = off AS $$
DECLARE
    missing text [];
    made integer;
    inserted integer := 0;
BEGIN
    LOOP
        missing := public.drops_without_review(drops);
        INSERT INTO public.qa_photo_reviews (
            drop_number, project, whatsapp_message_date, review_date, submitted_by, user_name,
            resubmitted, comment, bridge_source, from_ledger
        )
        SELECT
            c.drop_number, c.project, c.first_at, c.review_date, c.submitted_by, c.user_name,
            c.resubmitted, c.comment, coalesce(bridge, (
                SELECT m.heard_first FROM public.drop_mentions AS m
                WHERE m.drop_number = c.drop_number AND m.heard_first IS NOT NULL
                ORDER BY m.recorded_at LIMIT 1
            )), true
        FROM public.reviews_of(missing) AS c
        ORDER BY c.drop_number
        ON CONFLICT (drop_number) DO NOTHING;
        GET DIAGNOSTICS made = ROW_COUNT;
        inserted := inserted + made;

        PERFORM FROM public.qa_photo_reviews AS r
        WHERE r.drop_number = ANY(drops) ORDER BY r.drop_number FOR UPDATE;

        -- A row may have been taken away (its only author turned out to be us) while we waited.
        EXIT WHEN public.drops_without_review(drops) = '{}';
    END LOOP;

    UPDATE public.qa_photo_reviews AS r
    SET project = c.project, whatsapp_message_date = c.first_at, review_date = c.review_date,
        submitted_by = c.submitted_by, user_name = c.user_name, resubmitted = c.resubmitted,
        incomplete = c.incomplete, feedback_sent = c.feedback_sent, comment = c.comment
    FROM public.reviews_of(drops) AS c
    WHERE r.drop_number = c.drop_number AND r.drop_number = ANY(drops)
    AND (
        r.project, r.whatsapp_message_date, r.review_date, r.submitted_by, r.user_name,
        r.resubmitted, r.incomplete, r.feedback_sent, r.comment
    ) IS DISTINCT FROM (
        c.project, c.first_at, c.review_date, c.submitted_by::varchar, c.user_name::varchar,
        c.resubmitted, c.incomplete, c.feedback_sent, c.comment
    );

    DELETE FROM public.qa_photo_reviews AS r
    WHERE r.drop_number = ANY(drops) AND r.from_ledger AND r.reviewed_at IS NULL
    AND NOT EXISTS (
        SELECT FROM public.usable_mentions AS u
        WHERE u.drop_number = r.drop_number AND u.drop_number = ANY(drops)
    );

    PERFORM public.settle_other_projects(drops);
    RETURN inserted;
END
$$;

-- The same number in another project is no resubmission: it is listed, for somebody to look at.
CREATE FUNCTION public.settle_other_projects(drops text [])
RETURNS void LANGUAGE sql AS $$
    DELETE FROM public.invalid_drop_submissions AS i
    WHERE i.drop_number = ANY(drops) AND i.reason = 'other_project'
    AND NOT EXISTS (
        SELECT FROM public.counted_mentions(drops) AS c
        WHERE c.drop_number = i.drop_number AND c.chat = i.chat AND c.message_id = i.message_id
        AND c.project <> c.review_project
    );

    INSERT INTO public.invalid_drop_submissions AS i (
        drop_number, project, chat, message_id, sent_at, submitted_by, user_name, reason,
        review_project
    )
    SELECT
        c.drop_number, c.project, c.chat, c.message_id, c.sent_at, c.author_pn,
        left(c.user_name, 100), 'other_project', c.review_project
    FROM public.counted_mentions(drops) AS c
    WHERE c.project <> c.review_project
    ORDER BY c.drop_number, c.chat, c.message_id
    ON CONFLICT (drop_number, chat, message_id, reason) DO UPDATE
    SET project = excluded.project, sent_at = excluded.sent_at,
        submitted_by = excluded.submitted_by, user_name = excluded.user_name,
        review_project = excluded.review_project
    WHERE (i.project, i.sent_at, i.submitted_by, i.user_name, i.review_project) IS DISTINCT FROM (
        excluded.project, excluded.sent_at, excluded.submitted_by, excluded.user_name,
        excluded.review_project
    );
$$;
