{#- One stream of extractions and geocodes, grouped by letter: a filter on letter_id reaches both tables' primary keys, so that a few
    letters cost the same among millions. -#}
with answers as (

    select
        letter_id,
        tuple(finished_at, extraction_id) as extraction_rank,
        tuple(toDateTime64('1970-01-01 00:00:00', 3, 'UTC'), '') as geocode_rank,
        tuple(
            extraction_id, outcome, street, housenumber, postcode, city, street_score, agreement_score, sender_score,
            position(normalizeText(text), normalizeText(street)) > 0 and street != '', cast(extractor as String), cast(problem as String)
        ) as extraction,
        tuple(
            '', '', '', '', '', '', '', cast(null as Nullable(Float64)), cast(null as Nullable(Float64)),
            cast(null as Nullable(Float64)), toFloat64(0), toUInt16(0), toFloat64(0), toUInt8(0), toUInt8(0), toFloat64(0)
        ) as geocode
    from {{ source('cartulary', 'extractions') }}

    union all

    select
        subject_id as letter_id,
        tuple(toDateTime64('1970-01-01 00:00:00', 3, 'UTC'), '') as extraction_rank,
        tuple(geocoded_at, geocode_id) as geocode_rank,
        tuple('', '', '', '', '', '', toFloat64(0), toFloat64(0), toFloat64(0), false, '', '') as extraction,
        tuple(
            geocode_id, extraction_id, cast(precision as String), address_id, matched_street, matched_postcode, matched_city,
            longitude, latitude, uncertainty_m, street_similarity, street_edits, city_similarity, is_postcode_equal,
            is_housenumber_equal, candidate_margin
        ) as geocode
    from {{ source('cartulary', 'geocodes') }}
    where subject_kind = 'letter' and correction_id = ''

),

newest as (

    select
        letter_id,
        argMax(extraction, extraction_rank) as extraction,
        argMax(geocode, geocode_rank) as geocode
    from answers
    group by letter_id
    having extraction.1 != ''

),

parts as (

    select
        letter_id,
        extraction.1 as extraction_id,
        extraction.2 as outcome,
        extraction.3 as street,
        extraction.4 as housenumber,
        extraction.5 as postcode,
        extraction.6 as city,
        extraction.7 as reader_score,
        extraction.8 as agreement_score,
        extraction.9 as sender_score,
        extraction.10 as is_street_read_in_text,
        -- A model may say what it likes: its word counts where its own transcription, the rules or the offline reader bear it out.
        extraction.11 = 'vision' as is_by_model,
        extraction.12 as problem,
        -- An answer about an older reading says nothing about this one.
        geocode.1 != '' and geocode.2 = extraction_id as has_geocode,
        if(has_geocode, geocode.1, '') as geocode_id,
        if(has_geocode, geocode.3, 'none') as precision,
        if(has_geocode, geocode.4, '') as address_id,
        geocode.5 as matched_street,
        geocode.6 as matched_postcode,
        geocode.7 as matched_city,
        if(has_geocode, geocode.8, null) as longitude,
        if(has_geocode, geocode.9, null) as latitude,
        if(has_geocode, geocode.10, null) as uncertainty_m,
        if(has_geocode, geocode.11, 0) as street_similarity,
        geocode.12 as street_edits,
        geocode.13 as city_similarity,
        geocode.14 as is_postcode_equal,
        geocode.15 as is_housenumber_equal,
        if(has_geocode, geocode.16, 0) as candidate_margin,
        (select mapFromArrays(groupArray(toString(rule)), groupArray(value)) from {{ ref('evidence_rules') }}) as rules
    from newest

),

compared as (

    select
        *,
        normalizeStreet(street) as read_key,
        normalizeStreet(if(matched_street = '', matched_city, matched_street)) as matched_key,
        length(streetStem(matched_key)) as stem_length,
        if(street_edits = 0, 0, least(street_edits, damerauLevenshteinDistance(ocrSkeleton(read_key), ocrSkeleton(matched_key)))) as unexplained_edits,
        normalizePostcode(matched_postcode) as known_postcode,
        -- Letters where only digits can be: misread, and as good as not there.
        if(
            match(known_postcode, '^[0-9]+$') and match(normalizePostcode(postcode), '[^0-9]'), '', normalizePostcode(postcode)
        ) as read_postcode,
        -- Numbers and single letters in a name are never misreadings: Siedlung A is not Siedlung B, 11 November not 14 November.
        replaceRegexpAll(matched_key, '[^0-9]', '') in ('', replaceRegexpAll(read_key, '[^0-9]', ''))
        and arraySort(extractAll(concat(' ', replaceAll(normalizeText(street), ' ', '  '), ' '), ' [a-z] '))
        = arraySort(extractAll(concat(' ', replaceAll(normalizeText(matched_street), ' ', '  '), ' '), ' [a-z] ')) as are_marks_equal,
        damerauLevenshteinDistance(read_postcode, known_postcode) as postcode_edits,
        street != '' and housenumber != '' and (postcode != '' or city != '') as is_schema_complete,
        precision = 'house' and is_housenumber_equal = 1 and address_id != '' as is_house_known,
        is_street_read_in_text and street_similarity >= rules['min_street_similarity'] as is_street_in_text,
        multiIf(
            precision = 'none', false,
            is_postcode_equal = 1, city = '' or matched_city = '' or city_similarity >= rules['min_city_similarity'],
            city_similarity < rules['min_city_similarity_alone'], false,
            read_postcode = '' or known_postcode = '', true,
            postcode_edits <= rules['max_postcode_edits']
        ) as is_postcode_city_agreeing,
        multiIf(
            street_edits = 0, true,
            not are_marks_equal or stem_length < rules['short_stem'] or street_similarity < rules['min_street_similarity'], false,
            stem_length < rules['long_stem'] and reader_score >= rules['sure_reader_score'], false,
            unexplained_edits <= if(stem_length >= rules['long_stem'], rules['max_unexplained_edits'], 0)
        ) as is_street_matching,
        candidate_margin >= if(street_edits = 0 and is_postcode_equal = 1, rules['min_margin'], rules['min_margin_doubtful']) as is_margin_clear
    from parts

),

scored as (

    select
        *,
        rules['weight_schema'] * is_schema_complete
        + rules['weight_place'] * is_postcode_city_agreeing
        + rules['weight_house'] * is_house_known
        + rules['weight_text'] * is_street_in_text
        + rules['weight_street'] * street_similarity
        + rules['weight_margin'] * least(1, candidate_margin / rules['full_margin'])
        + rules['weight_reader'] * reader_score
        + rules['weight_agreement'] * agreement_score
        + rules['weight_sender'] * sender_score as evidence_score,
        -- The first doubt that holds is the one that is told.
        multiIf(
            outcome = 'failed' and problem != '', 'answer_unusable',
            outcome = 'failed', 'failed',
            outcome = 'unreadable', 'unreadable',
            street = '' and postcode = '' and city = '', 'no_address',
            not has_geocode, 'waiting',
            is_by_model and street != '' and not is_street_read_in_text, 'not_in_text',
            sender_score < rules['min_sender_score'], 'sender_unclear',
            precision = 'none', 'address_unknown',
            not is_postcode_city_agreeing, 'place_contradicts',
            precision in ('house', 'street') and not is_street_matching, 'street_uncertain',
            street != '' and (reader_score < rules['min_reader_score'] or agreement_score < rules['min_agreement']), 'reading_uncertain',
            is_by_model and agreement_score < rules['min_witnessed']
            and (is_postcode_equal = 0 or (street != '' and street_edits > 0)), 'unwitnessed',
            precision in ('house', 'street') and not is_margin_clear, 'ambiguous',
            ''
        ) as doubt,
        multiIf(
            doubt != '', doubt,
            is_house_known and is_schema_complete, '',
            precision = 'street', 'house_unknown',
            street != '', 'street_unknown',
            'town_only'
        ) as reason_code,
        multiIf(doubt != '', 'review', reason_code = '', 'located', 'approximate') as state
    from compared

),

final as (

    select
        letter_id,
        extraction_id,
        geocode_id,
        is_schema_complete,
        is_postcode_city_agreeing,
        is_house_known,
        is_street_in_text,
        candidate_margin,
        reader_score,
        agreement_score,
        sender_score,
        street_similarity,
        evidence_score,
        state,
        precision,
        longitude,
        latitude,
        uncertainty_m,
        address_id,
        if(reason_code = '', '', concat(reason_code, ': ', transform(
            reason_code,
            [
                'answer_unusable', 'failed', 'unreadable', 'no_address', 'waiting', 'not_in_text', 'sender_unclear', 'address_unknown',
                'place_contradicts',
                'street_uncertain', 'reading_uncertain', 'unwitnessed', 'ambiguous', 'house_unknown', 'street_unknown', 'town_only'
            ],
            [
                'The vision model gave no usable answer, not even after it was told what was wrong.',
                'The letter could not be opened or read.',
                'Nothing on the pages could be read.',
                'No address was found in the letter.',
                'The address has not been looked up yet.',
                'The vision model named a street that its own transcription of the letter does not contain.',
                'It is not clear that the address found is the sender''s.',
                'The address register knows neither the street nor the town.',
                'Postcode and town, as they were read, do not fit the place found.',
                'The street read differs from the nearest one in the address register.',
                'Several readings of the address differ, or were made with low scores.',
                'Only the vision model read this address, and it is not spelled as the address register has it.',
                'Two places fit the address about equally well.',
                'The address register knows the street but not this house number.',
                'The address register knows the town but not this street.',
                'The letter gives a town but no street.'
            ],
            ''
        ))) as reason
    from scored

)

select * from final
