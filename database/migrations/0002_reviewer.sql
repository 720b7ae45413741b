-- depends: 0001_tables
-- A reviewer's act: any change of what reviewers edit, by anybody but the ledger's own functions.

CREATE FUNCTION public.newest_mention_known(drop_number text, before timestamptz)
RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT max(m.sent_at)
    FROM public.drop_mentions AS m
    WHERE m.drop_number = $1 AND m.sent_at <= $2 AND NOT m.held_back
$$;

-- The server of the messages counts whole seconds and its clock may be ahead of ours, so an act
-- also covers what was known and lies up to two minutes ahead of it.
CREATE FUNCTION public.moment_of_act(drop_number text, act timestamptz)
RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT greatest(
        $2, public.newest_mention_known($1, $2 + interval '2 minutes') + interval '1 second'
    )
$$;

CREATE FUNCTION public.note_reviewer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    IF current_setting('twinbridge.settling', true) = 'on' THEN
        RETURN NEW;
    END IF;
    IF NEW.reviewed_at IS NOT DISTINCT FROM OLD.reviewed_at THEN
        IF (
            NEW.step_01_house_photo, NEW.step_02_cable_from_pole, NEW.step_03_cable_entry_outside,
            NEW.step_04_cable_entry_inside, NEW.step_05_wall_for_installation,
            NEW.step_06_ont_back_after_install, NEW.step_07_power_meter_reading,
            NEW.step_08_ont_barcode, NEW.step_09_ups_serial, NEW.step_10_final_installation,
            NEW.step_11_green_lights, NEW.step_12_customer_signature, NEW.completed,
            NEW.incomplete, NEW.resubmitted, NEW.feedback_sent, NEW.comment,
            NEW.incorrect_steps, NEW.incorrect_comments, NEW.completed_photos,
            NEW.outstanding_photos, NEW.outstanding_photos_loaded_to_1map
        ) IS NOT DISTINCT FROM (
            OLD.step_01_house_photo, OLD.step_02_cable_from_pole, OLD.step_03_cable_entry_outside,
            OLD.step_04_cable_entry_inside, OLD.step_05_wall_for_installation,
            OLD.step_06_ont_back_after_install, OLD.step_07_power_meter_reading,
            OLD.step_08_ont_barcode, OLD.step_09_ups_serial, OLD.step_10_final_installation,
            OLD.step_11_green_lights, OLD.step_12_customer_signature, OLD.completed,
            OLD.incomplete, OLD.resubmitted, OLD.feedback_sent, OLD.comment,
            OLD.incorrect_steps, OLD.incorrect_comments, OLD.completed_photos,
            OLD.outstanding_photos, OLD.outstanding_photos_loaded_to_1map
        ) THEN
            RETURN NEW;
        END IF;
        IF NEW.feedback_sent IS DISTINCT FROM OLD.feedback_sent THEN
            NEW.reviewed_at := coalesce(NEW.feedback_sent, clock_timestamp());
        ELSE
            NEW.reviewed_at := clock_timestamp();
        END IF;
        NEW.reviewed_at := greatest(
            OLD.reviewed_at, public.moment_of_act(NEW.drop_number, NEW.reviewed_at)
        );
    END IF;
    NEW.reviewed_resubmitted := NEW.resubmitted;
    NEW.reviewed_incomplete := NEW.incomplete;
    NEW.reviewed_feedback_sent := NEW.feedback_sent;
    RETURN NEW;
END
$$;

CREATE TRIGGER note_reviewer BEFORE UPDATE ON public.qa_photo_reviews
FOR EACH ROW EXECUTE FUNCTION public.note_reviewer();

-- A row that the ledger did not make (older than the ledger, by hand, by an older bridge) becomes
-- a mention of its own, so that it keeps its first time, project and sender.
CREATE FUNCTION public.adopt_review(review public.qa_photo_reviews)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO public.drop_mentions (
        drop_number, chat, message_id, project, sent_at, as_of, as_of_id, author_pn, user_name,
        heard_first, heard_by, applied_at
    )
    SELECT
        review.drop_number, '', '', coalesce(review.project, ''), moment, moment, '',
        substring(review.submitted_by FROM '^\+?([0-9]+)'), review.user_name,
        review.bridge_source, array_remove(ARRAY[review.bridge_source::text], NULL), clock_timestamp()
    FROM (
        SELECT coalesce(review.whatsapp_message_date, review.created_at, clock_timestamp()) AS moment
    ) AS known
    ON CONFLICT DO NOTHING
$$;

CREATE FUNCTION public.note_foreign_review() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('twinbridge.settling', true) = 'on' THEN
        RETURN NULL;
    END IF;
    PERFORM public.adopt_review(NEW);
    UPDATE public.qa_photo_reviews
    SET reviewed_at = CASE
            WHEN NEW.feedback_sent IS NOT NULL OR NEW.completed OR NEW.incomplete
            THEN coalesce(NEW.feedback_sent, clock_timestamp())
        END,
        reviewed_resubmitted = NEW.resubmitted, reviewed_incomplete = NEW.incomplete,
        reviewed_feedback_sent = NEW.feedback_sent
    WHERE id = NEW.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER note_foreign_review AFTER INSERT ON public.qa_photo_reviews
FOR EACH ROW EXECUTE FUNCTION public.note_foreign_review();

DO $$
DECLARE
    review public.qa_photo_reviews;
BEGIN
    FOR review IN SELECT * FROM public.qa_photo_reviews LOOP
        PERFORM public.adopt_review(review);
    END LOOP;
    UPDATE public.qa_photo_reviews
    SET reviewed_at = CASE
            WHEN feedback_sent IS NOT NULL OR completed OR incomplete
            THEN greatest(feedback_sent, updated_at)
        END,
        reviewed_resubmitted = resubmitted, reviewed_incomplete = incomplete,
        reviewed_feedback_sent = feedback_sent;
END
$$;
