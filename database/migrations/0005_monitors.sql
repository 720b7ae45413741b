-- depends: 0004_verbs
-- What monitors keep, and lists of valid drops. Monitors call functions only, like the bridges;
-- two of one environment do the same twice, and nothing comes of it.

CREATE TABLE public.monitor_cursors (
    environment text COLLATE "C" NOT NULL,
    store_id text COLLATE "C" NOT NULL,
    chat text COLLATE "C" NOT NULL,
    rules_hash text COLLATE "C" NOT NULL,
    change_seq bigint NOT NULL CHECK (change_seq >= 0),
    moved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (environment, store_id, chat, rules_hash)
);

COMMENT ON TABLE public.monitor_cursors IS
'How far a messages.db has been read for a group, by the rules of now; absent means from 0.';

CREATE TABLE public.monitor_stores (
    environment text COLLATE "C" NOT NULL,
    store_id text COLLATE "C" NOT NULL,
    bridge varchar(20) NOT NULL,
    followed_at timestamptz NOT NULL,
    taken_up_at timestamptz NOT NULL,
    compared_at timestamptz,
    lacked integer NOT NULL DEFAULT 0,
    PRIMARY KEY (environment, store_id)
);

COMMENT ON COLUMN public.monitor_stores.taken_up_at IS
'When a monitor last came to this file from another one; it is compared with the ledger after that.';

CREATE INDEX drop_mentions_waiting ON public.drop_mentions (project, sent_at)
WHERE applied_at IS NULL;

CREATE TABLE public.listed_projects (
    project varchar(100) COLLATE "C" PRIMARY KEY
);

COMMENT ON TABLE public.listed_projects IS
'Projects that accept only drops of their list; config/projects.yaml says which.';

CREATE TABLE public.valid_drops (
    project varchar(100) COLLATE "C" NOT NULL,
    drop_number varchar(50) NOT NULL CHECK (drop_number <> ''),
    imported_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (project, drop_number)
);

COMMENT ON COLUMN public.invalid_drop_submissions.reason IS
'other_project: the drop belongs to review_project, whose mention is the older one.
not_in_list: the project accepts only drops of its list, and this is none.';

-- Marks that this file is followed; tells when it was last compared with the ledger, and whether
-- that is due: never done since a monitor came to it from another file.
CREATE FUNCTION public.follow_store(
    environment text, store_id text, bridge text,
    OUT compared_at timestamptz, OUT lacked integer, OUT due boolean
) LANGUAGE plpgsql AS $$
DECLARE
    previous text := (
        SELECT s.store_id FROM public.monitor_stores AS s
        WHERE s.environment = $1 ORDER BY s.followed_at DESC, s.store_id LIMIT 1
    );
BEGIN
    INSERT INTO public.monitor_stores AS s (
        environment, store_id, bridge, followed_at, taken_up_at
    )
    VALUES ($1, $2, $3, clock_timestamp(), clock_timestamp())
    ON CONFLICT ON CONSTRAINT monitor_stores_pkey DO UPDATE
    SET bridge = excluded.bridge,
        followed_at = greatest(s.followed_at, excluded.followed_at),
        taken_up_at = CASE
            WHEN previous IS DISTINCT FROM s.store_id
            THEN greatest(s.taken_up_at, excluded.taken_up_at) ELSE s.taken_up_at
        END
    RETURNING s.compared_at, s.lacked, s.compared_at IS NULL OR s.compared_at < s.taken_up_at
    INTO follow_store.compared_at, follow_store.lacked, follow_store.due;
END
$$;

-- One statement that only ever moves forward, so that a monitor that was frozen changes nothing.
CREATE FUNCTION public.advance_cursors(
    environment text, store_id text, chats text [], rules_hashes text [], change_seq bigint
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO public.monitor_cursors AS c (environment, store_id, chat, rules_hash, change_seq)
    SELECT $1, $2, given.chat, given.rules_hash, $5
    FROM unnest($3, $4) AS given (chat, rules_hash)
    ORDER BY given.chat COLLATE "C", given.rules_hash COLLATE "C"
    ON CONFLICT ON CONSTRAINT monitor_cursors_pkey DO UPDATE
    SET change_seq = greatest(c.change_seq, excluded.change_seq), moved_at = clock_timestamp()
    WHERE c.change_seq < excluded.change_seq
$$;

-- A file that was rolled back by hand counts anew from below: its cursors mean nothing any more.
CREATE FUNCTION public.forget_cursors(environment text, store_id text)
RETURNS integer LANGUAGE sql AS $$
    WITH gone AS (
        DELETE FROM public.monitor_cursors AS c
        WHERE c.environment = $1 AND c.store_id = $2
        RETURNING c.chat
    )
    SELECT count(*)::integer FROM gone
$$;

-- The mentions of these that the ledger does not know yet, or knows less of.
CREATE FUNCTION public.lacking_mentions(mentions jsonb)
RETURNS TABLE (drop_number text, chat text, message_id text)
LANGUAGE sql STABLE AS $$
    SELECT c.drop_number, c.chat, c.message_id
    FROM jsonb_to_recordset(mentions) AS c (
        drop_number text, chat text, message_id text, project text, sent_at timestamptz,
        as_of timestamptz, as_of_id text, author_lid text, author_pn text, user_name text, withdrawn boolean,
        held_back boolean
    )
    LEFT JOIN public.drop_mentions AS m
        ON m.drop_number = c.drop_number AND m.chat = c.chat AND m.message_id = c.message_id
    WHERE m.drop_number IS NULL
    OR c.sent_at < m.sent_at
    OR (c.as_of, c.as_of_id COLLATE "C", c.withdrawn) > (m.as_of, m.as_of_id, m.withdrawn)
    OR (m.held_back AND NOT c.held_back)
    OR (c.author_lid <> '' AND coalesce(
        c.author_lid < m.author_lid OR (c.author_lid <> m.author_lid AND NOT m.contradicted), true
    ))
    OR (c.author_pn <> '' AND coalesce(
        c.author_pn < m.author_pn OR (c.author_pn <> m.author_pn AND NOT m.contradicted), true
    ))
    OR (c.user_name <> '' AND coalesce(c.user_name < m.user_name, true))
    OR c.project < m.project
$$;

-- Mentions that nobody applied, whoever recorded them, as far as they may be acted upon.
CREATE FUNCTION public.apply_waiting(projects text [], since timestamptz [])
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    drops text [];
BEGIN
    IF NOT EXISTS (
        SELECT FROM unnest($1, $2) AS given (project, since)
        JOIN public.drop_mentions AS m
            ON m.project = given.project AND m.sent_at >= given.since AND m.applied_at IS NULL
    ) THEN
        RETURN 0;
    END IF;
    PERFORM public.lock_ledger(alone => false);
    WITH waiting AS (
        SELECT m.drop_number, m.chat, m.message_id
        FROM unnest($1, $2) AS given (project, since)
        JOIN public.drop_mentions AS m
            ON m.project = given.project AND m.sent_at >= given.since AND m.applied_at IS NULL
        ORDER BY m.drop_number, m.chat, m.message_id LIMIT 500
        FOR UPDATE OF m
    ), applied AS (
        UPDATE public.drop_mentions AS m
        SET held_back = false, applied_at = clock_timestamp(), changed_at = clock_timestamp()
        FROM waiting AS w
        WHERE (m.drop_number, m.chat, m.message_id) = (w.drop_number, w.chat, w.message_id)
        RETURNING m.drop_number
    )
    SELECT coalesce(array_agg(DISTINCT drop_number::text), '{}') INTO drops FROM applied;
    PERFORM public.settle_reviews(NULL, drops);
    RETURN cardinality(drops);
END
$$;

CREATE FUNCTION public.note_comparison(environment text, store_id text, lacked integer)
RETURNS void LANGUAGE sql AS $$
    UPDATE public.monitor_stores AS s
    SET compared_at = clock_timestamp(), lacked = $3
    WHERE s.environment = $1 AND s.store_id = $2
$$;

-- Lists of valid drops. A review that is there stays: nobody removes what somebody may have
-- worked on. A row that people made by hand (chat '') is not for a list to refuse.
CREATE VIEW public.acceptable_mentions AS
SELECT u.*
FROM public.usable_mentions AS u
WHERE u.chat = ''
OR NOT EXISTS (SELECT FROM public.listed_projects AS l WHERE l.project = u.project)
OR EXISTS (
    SELECT FROM public.valid_drops AS v
    WHERE v.project = u.project AND v.drop_number = u.drop_number
);

COMMENT ON VIEW public.acceptable_mentions IS
'The usable mentions that no list refuses.';

CREATE OR REPLACE FUNCTION public.counted_mentions(drops text [])
RETURNS TABLE (
    drop_number varchar, chat text, message_id text, project varchar, sent_at timestamptz,
    author_lid text, author_pn text, user_name text, review_project varchar, is_first boolean
) LANGUAGE sql STABLE AS $$
    WITH usable AS (
        SELECT u.*, bool_and(u.withdrawn) OVER (PARTITION BY u.drop_number) AS all_withdrawn
        FROM public.acceptable_mentions AS u
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

CREATE OR REPLACE FUNCTION public.drops_without_review(drops text [])
RETURNS text [] LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN ARRAY(
        SELECT DISTINCT u.drop_number::text FROM public.acceptable_mentions AS u
        WHERE u.drop_number = ANY(drops) AND NOT EXISTS (
            SELECT FROM public.qa_photo_reviews AS r
            WHERE r.drop_number = u.drop_number AND r.drop_number = ANY(drops)
        )
    );
END
$$;

ALTER FUNCTION public.settle_other_projects(text []) RENAME TO settle_foreign_drops;

-- What is to be looked at by somebody: drops of another project, and drops that no list has.
CREATE FUNCTION public.settle_other_projects(drops text [])
RETURNS void LANGUAGE sql AS $$
    SELECT public.settle_foreign_drops(drops);

    DELETE FROM public.invalid_drop_submissions AS i
    WHERE i.drop_number = ANY(drops) AND i.reason = 'not_in_list'
    AND NOT EXISTS (
        SELECT FROM public.usable_mentions AS u
        WHERE u.drop_number = i.drop_number AND u.chat = i.chat AND u.message_id = i.message_id
        AND NOT u.withdrawn AND NOT EXISTS (
            SELECT FROM public.acceptable_mentions AS a
            WHERE a.drop_number = u.drop_number AND a.chat = u.chat
            AND a.message_id = u.message_id
        )
    );

    INSERT INTO public.invalid_drop_submissions AS i (
        drop_number, project, chat, message_id, sent_at, submitted_by, user_name, reason
    )
    SELECT
        u.drop_number, u.project, u.chat, u.message_id, u.sent_at,
        CASE WHEN NOT u.contradicted THEN u.author_pn END,
        CASE WHEN NOT u.contradicted THEN left(u.user_name, 100) END, 'not_in_list'
    FROM public.usable_mentions AS u
    WHERE u.drop_number = ANY(drops) AND NOT u.withdrawn AND NOT EXISTS (
        SELECT FROM public.acceptable_mentions AS a
        WHERE a.drop_number = u.drop_number AND a.chat = u.chat AND a.message_id = u.message_id
    )
    ORDER BY u.drop_number, u.chat, u.message_id
    ON CONFLICT (drop_number, chat, message_id, reason) DO UPDATE
    SET project = excluded.project, sent_at = excluded.sent_at,
        submitted_by = excluded.submitted_by, user_name = excluded.user_name
    WHERE (i.project, i.sent_at, i.submitted_by, i.user_name) IS DISTINCT FROM (
        excluded.project, excluded.sent_at, excluded.submitted_by, excluded.user_name
    );
$$;

CREATE FUNCTION public.configure_lists(projects text [])
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    changed text [];
    drops text [];
BEGIN
    PERFORM public.lock_ledger(alone => true);
    WITH gone AS (
        DELETE FROM public.listed_projects AS l WHERE NOT l.project = ANY($1)
        RETURNING l.project
    ), come AS (
        INSERT INTO public.listed_projects (project)
        SELECT DISTINCT given.project FROM unnest($1) AS given (project)
        ON CONFLICT DO NOTHING
        RETURNING project
    )
    SELECT array_agg(both_ways.project::text) INTO changed
    FROM (SELECT g.project FROM gone AS g UNION ALL SELECT c.project FROM come AS c) AS both_ways;
    drops := ARRAY(
        SELECT DISTINCT m.drop_number::text FROM public.drop_mentions AS m
        WHERE m.project = ANY(changed)
    );
    PERFORM public.settle_reviews(NULL, drops);
    RETURN cardinality(drops);
END
$$;

-- Adds to a project's list; what was refused before and stands in it now becomes a review.
CREATE FUNCTION public.import_valid_drops(project text, drops text [], OUT added integer)
LANGUAGE plpgsql AS $$
DECLARE
    mentioned text [];
BEGIN
    PERFORM public.lock_ledger(alone => true);
    INSERT INTO public.valid_drops (project, drop_number)
    SELECT DISTINCT $1, given.drop_number FROM unnest($2) AS given (drop_number)
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    mentioned := ARRAY(
        SELECT DISTINCT m.drop_number::text FROM public.drop_mentions AS m
        WHERE m.drop_number = ANY($2) AND m.project = $1
    );
    PERFORM public.settle_reviews(NULL, mentioned);
END
$$;

-- Last of all: whoever reads a version may use everything that it promises.
UPDATE public.schema SET version = 2;
