-- Tables. Everything is schema-qualified, because a pooler keeps no search_path, and every
-- statement also fits a database in which qa_photo_reviews stands already with its rows.

CREATE TABLE public.schema (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version integer NOT NULL,
    min_compatible integer NOT NULL CHECK (min_compatible <= version)
);

CREATE TABLE public.database_identity (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO public.database_identity DEFAULT VALUES;

CREATE TABLE public.ledger_settings (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    timezone text NOT NULL,
    same_submission interval NOT NULL
);

INSERT INTO public.ledger_settings (timezone, same_submission)
VALUES ('Africa/Johannesburg', interval '10 minutes');

CREATE TABLE public.own_numbers (
    name text NOT NULL,
    pn text CHECK (pn ~ '^[0-9]{5,20}$'),
    lid text CHECK (lid ~ '^[0-9]{5,20}$'),
    registered_at timestamptz NOT NULL DEFAULT now(),
    CHECK (pn IS NOT NULL OR lid IS NOT NULL)
);

CREATE UNIQUE INDEX own_numbers_once
ON public.own_numbers (name, coalesce(pn, ''), coalesce(lid, ''));

CREATE TABLE public.drop_mentions (
    drop_number varchar(50) NOT NULL CHECK (drop_number <> ''),
    chat text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    project varchar(100) COLLATE "C" NOT NULL,
    sent_at timestamptz NOT NULL,
    author_lid text COLLATE "C",
    author_pn text COLLATE "C",
    user_name text COLLATE "C",
    contradicted boolean NOT NULL DEFAULT false,
    withdrawn boolean NOT NULL DEFAULT false,
    as_of timestamptz NOT NULL,
    as_of_id text COLLATE "C" NOT NULL,
    held_back boolean NOT NULL DEFAULT false,
    heard_first varchar(20),
    heard_by text [] NOT NULL DEFAULT '{}',
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_at timestamptz,
    PRIMARY KEY (drop_number, chat, message_id)
);

COMMENT ON TABLE public.drop_mentions IS
'The ledger: one row per message that names a drop, whoever heard it. Reviews follow from it.';

COMMENT ON COLUMN public.drop_mentions.contradicted IS
'Two copies name different authors: the message id is forged, so no author is believed.';

COMMENT ON COLUMN public.drop_mentions.chat IS
'Group JID; empty for the one mention made from a review that stood before the ledger.';

CREATE INDEX drop_mentions_by_pn ON public.drop_mentions (author_pn);

CREATE INDEX drop_mentions_by_lid ON public.drop_mentions (author_lid);

CREATE INDEX drop_mentions_held ON public.drop_mentions (project) WHERE held_back;

CREATE TABLE IF NOT EXISTS public.qa_photo_reviews (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    drop_number varchar(50) NOT NULL,
    review_date date,
    user_name varchar(100),
    submitted_by varchar,
    project varchar(100),
    bridge_source varchar(20),
    whatsapp_message_date timestamptz,
    completed_photos integer NOT NULL DEFAULT 0,
    outstanding_photos integer NOT NULL DEFAULT 12,
    outstanding_photos_loaded_to_1map boolean NOT NULL DEFAULT false,
    assigned_agent varchar(255),
    comment text,
    completed boolean NOT NULL DEFAULT false,
    incomplete boolean NOT NULL DEFAULT false,
    resubmitted boolean NOT NULL DEFAULT false,
    feedback_sent timestamptz,
    locked_by varchar(255),
    locked_at timestamptz,
    incorrect_steps jsonb,
    incorrect_comments jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    step_01_house_photo boolean NOT NULL DEFAULT false,
    step_02_cable_from_pole boolean NOT NULL DEFAULT false,
    step_03_cable_entry_outside boolean NOT NULL DEFAULT false,
    step_04_cable_entry_inside boolean NOT NULL DEFAULT false,
    step_05_wall_for_installation boolean NOT NULL DEFAULT false,
    step_06_ont_back_after_install boolean NOT NULL DEFAULT false,
    step_07_power_meter_reading boolean NOT NULL DEFAULT false,
    step_08_ont_barcode boolean NOT NULL DEFAULT false,
    step_09_ups_serial boolean NOT NULL DEFAULT false,
    step_10_final_installation boolean NOT NULL DEFAULT false,
    step_11_green_lights boolean NOT NULL DEFAULT false,
    step_12_customer_signature boolean NOT NULL DEFAULT false
);

CREATE UNIQUE INDEX IF NOT EXISTS qa_photo_reviews_one_per_drop
ON public.qa_photo_reviews (drop_number);

ALTER TABLE public.qa_photo_reviews
ADD COLUMN IF NOT EXISTS bridge_source varchar(20),
ADD COLUMN IF NOT EXISTS submitted_by varchar,
ADD COLUMN IF NOT EXISTS whatsapp_message_date timestamptz,
ADD COLUMN IF NOT EXISTS resubmitted boolean NOT NULL DEFAULT false,
ADD COLUMN IF NOT EXISTS incomplete boolean NOT NULL DEFAULT false,
ADD COLUMN IF NOT EXISTS feedback_sent timestamptz,
ADD COLUMN IF NOT EXISTS comment text,
ADD COLUMN IF NOT EXISTS locked_by varchar(255),
ADD COLUMN IF NOT EXISTS locked_at timestamptz,
ADD COLUMN IF NOT EXISTS incorrect_steps jsonb,
ADD COLUMN IF NOT EXISTS incorrect_comments jsonb,
ADD COLUMN IF NOT EXISTS from_ledger boolean NOT NULL DEFAULT false,
ADD COLUMN IF NOT EXISTS reviewed_at timestamptz,
ADD COLUMN IF NOT EXISTS reviewed_resubmitted boolean,
ADD COLUMN IF NOT EXISTS reviewed_incomplete boolean,
ADD COLUMN IF NOT EXISTS reviewed_feedback_sent timestamptz;

COMMENT ON COLUMN public.qa_photo_reviews.reviewed_at IS
'The last act of a reviewer; the three columns beside it are what that act left behind.';

COMMENT ON COLUMN public.qa_photo_reviews.from_ledger IS
'The row was made from mentions (not by hand and not before the ledger).';

CREATE INDEX IF NOT EXISTS qa_photo_reviews_by_project
ON public.qa_photo_reviews (project, review_date);

CREATE TABLE public.invalid_drop_submissions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    drop_number varchar(50) NOT NULL,
    project varchar(100) COLLATE "C" NOT NULL,
    chat text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    sent_at timestamptz NOT NULL,
    submitted_by varchar,
    user_name varchar(100),
    reason varchar(50) NOT NULL,
    review_project varchar(100),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (drop_number, chat, message_id, reason)
);

COMMENT ON COLUMN public.invalid_drop_submissions.reason IS
'other_project: the drop belongs to review_project, whose mention is the older one.';
