-- depends: 0003_reviews
-- What bridges and people call. Batches share a lock that verbs over the whole ledger hold alone,
-- so that a verb sees every mention. Ledger rows are locked before review rows, both in order.

CREATE FUNCTION public.lock_ledger(alone boolean)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'the ledger needs READ COMMITTED, not %',
            current_setting('transaction_isolation') USING ERRCODE = '25001';
    END IF;
    IF alone THEN
        PERFORM pg_advisory_xact_lock(7226870418351957);
    ELSE
        PERFORM pg_advisory_xact_lock_shared(7226870418351957);
    END IF;
END
$$;

CREATE FUNCTION public.record_mentions(
    bridge text, mentions jsonb, OUT recorded integer, OUT known integer, OUT reviews integer
) LANGUAGE plpgsql AS $$
DECLARE
    drops text [];
BEGIN
    PERFORM public.lock_ledger(alone => false);

    WITH copies AS (
        SELECT
            c.drop_number, c.chat COLLATE "C" AS chat, c.message_id COLLATE "C" AS message_id,
            c.project COLLATE "C" AS project, c.sent_at, c.as_of, c.as_of_id COLLATE "C" AS as_of_id,
            nullif(c.author_lid, '') COLLATE "C" AS author_lid,
            nullif(c.author_pn, '') COLLATE "C" AS author_pn,
            nullif(c.user_name, '') COLLATE "C" AS user_name,
            c.withdrawn, c.held_back
        FROM jsonb_to_recordset(mentions) AS c (
            drop_number text, chat text, message_id text, project text, sent_at timestamptz,
            as_of timestamptz, as_of_id text, author_lid text, author_pn text, user_name text,
            withdrawn boolean, held_back boolean
        )
    ), batch AS (
        SELECT
            c.drop_number, c.chat, c.message_id, min(c.project) AS project,
            min(c.sent_at) AS sent_at, min(c.author_lid) AS author_lid,
            min(c.author_pn) AS author_pn, min(c.user_name) AS user_name,
            coalesce(min(c.author_lid) <> max(c.author_lid), false)
                OR coalesce(min(c.author_pn) <> max(c.author_pn), false) AS contradicted,
            (array_agg(c.withdrawn ORDER BY c.as_of DESC, c.as_of_id DESC, c.withdrawn DESC))[1]
                AS withdrawn,
            max(c.as_of) AS as_of,
            (array_agg(c.as_of_id ORDER BY c.as_of DESC, c.as_of_id DESC))[1] AS as_of_id,
            bool_and(c.held_back) AS held_back
        FROM copies AS c
        GROUP BY c.drop_number, c.chat, c.message_id
    ), merged AS (
        INSERT INTO public.drop_mentions AS m (
            drop_number, chat, message_id, project, sent_at, author_lid, author_pn, user_name,
            contradicted, withdrawn, as_of, as_of_id, held_back, heard_first, heard_by, applied_at
        )
        SELECT
            b.drop_number, b.chat, b.message_id, b.project, b.sent_at, b.author_lid, b.author_pn,
            b.user_name, b.contradicted, b.withdrawn, b.as_of, b.as_of_id, b.held_back, bridge,
            ARRAY[bridge], CASE WHEN NOT b.held_back THEN clock_timestamp() END
        FROM batch AS b
        ORDER BY b.drop_number, b.chat, b.message_id
        ON CONFLICT (drop_number, chat, message_id) DO UPDATE
        SET project = least(m.project, excluded.project),
            sent_at = least(m.sent_at, excluded.sent_at),
            author_lid = least(m.author_lid, excluded.author_lid),
            author_pn = least(m.author_pn, excluded.author_pn),
            user_name = least(m.user_name, excluded.user_name),
            contradicted = m.contradicted OR excluded.contradicted
                OR coalesce(m.author_lid <> excluded.author_lid, false)
                OR coalesce(m.author_pn <> excluded.author_pn, false),
            withdrawn = CASE
                WHEN (excluded.as_of, excluded.as_of_id, excluded.withdrawn)
                    > (m.as_of, m.as_of_id, m.withdrawn)
                THEN excluded.withdrawn ELSE m.withdrawn
            END,
            as_of_id = CASE
                WHEN (excluded.as_of, excluded.as_of_id) > (m.as_of, m.as_of_id)
                THEN excluded.as_of_id ELSE m.as_of_id
            END,
            as_of = greatest(m.as_of, excluded.as_of),
            held_back = m.held_back AND excluded.held_back,
            heard_by = ARRAY(
                SELECT DISTINCT name FROM unnest(m.heard_by || excluded.heard_by) AS name ORDER BY name
            ),
            changed_at = clock_timestamp(),
            applied_at = coalesce(m.applied_at, excluded.applied_at)
        RETURNING m.drop_number, m.xmax = 0 AS is_new
    )
    SELECT
        count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new),
        coalesce(array_agg(DISTINCT drop_number::text ORDER BY drop_number::text), '{}')
    INTO recorded, known, drops
    FROM merged;

    reviews := public.settle_reviews(bridge, drops);
END
$$;

CREATE FUNCTION public.register_own_number(name text, pn text, lid text)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    drops text [];
BEGIN
    PERFORM public.lock_ledger(alone => true);
    INSERT INTO public.own_numbers (name, pn, lid)
    VALUES ($1, nullif($2, ''), nullif($3, ''))
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    drops := ARRAY(
        SELECT DISTINCT m.drop_number::text FROM public.drop_mentions AS m
        WHERE m.author_pn = $2 OR m.author_lid = $3 ORDER BY 1
    );
    PERFORM public.settle_reviews(NULL, drops);
    RETURN cardinality(drops);
END
$$;

CREATE FUNCTION public.release_held(project text)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    drops text [];
BEGIN
    PERFORM public.lock_ledger(alone => true);
    WITH released AS (
        UPDATE public.drop_mentions AS m
        SET held_back = false, applied_at = clock_timestamp(), changed_at = clock_timestamp()
        WHERE m.held_back AND m.project = $1
        RETURNING m.drop_number
    )
    SELECT coalesce(array_agg(drop_number::text), '{}') INTO drops FROM released;
    PERFORM public.settle_reviews(NULL, drops);
    RETURN cardinality(drops);
END
$$;

CREATE FUNCTION public.recompute_reviews()
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    drops text [];
BEGIN
    PERFORM public.lock_ledger(alone => true);
    drops := ARRAY(SELECT DISTINCT m.drop_number::text FROM public.drop_mentions AS m);
    PERFORM public.settle_reviews(NULL, drops);
    RETURN cardinality(drops);
END
$$;

CREATE FUNCTION public.configure_ledger(timezone text, same_submission_minutes integer)
RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    PERFORM public.lock_ledger(alone => true);
    PERFORM now() AT TIME ZONE $1;
    UPDATE public.ledger_settings AS s
    SET timezone = $1, same_submission = make_interval(mins => $2)
    WHERE (s.timezone, s.same_submission) IS DISTINCT FROM ($1, make_interval(mins => $2));
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    RETURN public.recompute_reviews();
END
$$;

-- Last of all: whoever reads a version may use everything that it promises.
INSERT INTO public.schema (version, min_compatible) VALUES (1, 1);
