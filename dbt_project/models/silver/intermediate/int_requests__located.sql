with requests as (

    select * from {{ ref('int_requests__unioned') }}

),

evidence as (

    select * from {{ ref('int_letters__evidence') }}

),

geocodes as (

    select * from {{ ref('int_addresses__geocoded') }}

),

corrections as (

    select * from {{ ref('int_corrections__latest') }}

),

submissions as (

    select
        requests.request_id as request_id,
        multiIf(
            requests.given_longitude is not null and requests.given_latitude is not null,
            'located',
            geocodes.geocode_id is null,
            'stored',
            geocodes.precision = 'house' and geocodes.street_edits = 0 and geocodes.is_housenumber_equal = 1,
            'located',
            geocodes.precision in ('street', 'postcode', 'city'),
            'approximate',
            'review'
        ) as state,
        if(requests.given_longitude is not null, 'house', coalesce(geocodes.precision, 'none')) as precision,
        coalesce(requests.given_longitude, geocodes.longitude) as longitude,
        coalesce(requests.given_latitude, geocodes.latitude) as latitude,
        if(requests.given_longitude is not null, null, geocodes.uncertainty_m) as uncertainty_m,
        multiIf(
            state = 'stored',
            'waiting: The address has not been looked up yet.',
            state = 'review' and geocodes.precision = 'house',
            'address_uncertain: The street typed differs from the nearest one in the address register.',
            state = 'review',
            'address_unknown: The address register knows neither the house nor the street, postcode or city.',
            ''
        ) as reason
    from requests
    left join geocodes on requests.request_id = geocodes.subject_id and geocodes.correction_id = ''
    where requests.subject_kind = 'submission'

),

machine as (

    select
        letter_id as request_id,
        cast(state as String) as state,
        cast(precision as Nullable(String)) as precision,
        longitude,
        latitude,
        uncertainty_m,
        cast(evidence_score as Nullable(Float64)) as evidence_score,
        cast(reason as Nullable(String)) as reason
    from evidence
    union all
    select
        request_id,
        state,
        precision,
        longitude,
        latitude,
        uncertainty_m,
        cast(null as Nullable(Float64)) as evidence_score,
        cast(reason as Nullable(String)) as reason
    from submissions

),

decided as (

    select
        requests.request_id as request_id,
        requests.subject_kind as subject_kind,
        requests.channel as channel,
        coalesce(corrections.facility_kind, requests.facility_kind) as facility_kind,
        coalesce(corrections.letter_date, requests.letter_date, toDate32(requests.received_at)) as requested_on,
        requests.language as language,
        cast(coalesce(corrections.action, '') as String) as action,
        -- Whose position stands: a later accept or reject leaves that of the correct or place before it, without one the machine's.
        cast(coalesce(corrections.place_action, '') as String) as place_action,
        corrections.correction_id as correction_id,
        action not in ('', 'reopen') as is_corrected,
        multiIf(
            place_action = 'place', 'house',
            place_action = 'correct', coalesce(corrected.precision, 'none'),
            coalesce(machine.precision, 'none')
        ) as precision,
        multiIf(place_action = 'place', corrections.longitude, place_action = 'correct', corrected.longitude, machine.longitude) as longitude,
        multiIf(place_action = 'place', corrections.latitude, place_action = 'correct', corrected.latitude, machine.latitude) as latitude,
        multiIf(place_action = 'place', null, place_action = 'correct', corrected.uncertainty_m, machine.uncertainty_m) as uncertainty_m,
        longitude is not null and latitude is not null and precision != 'none' as has_position,
        multiIf(
            action = 'reject', 'rejected',
            action in ('place', 'correct', 'accept') and not has_position, 'review',
            action in ('place', 'correct', 'accept'), if(precision = 'house', 'located', 'approximate'),
            coalesce(machine.state, 'review') in ('located', 'approximate') and not has_position, 'review',
            coalesce(machine.state, 'review')
        ) as state,
        multiIf(
            state in ('located', 'approximate'), '',
            action = 'reject', 'rejected: Rejected by a reviewer.',
            place_action = 'correct' and corrected.geocode_id is null, 'waiting: The corrected address has not been looked up yet.',
            place_action = 'correct', 'address_unknown: The address register does not know the corrected address.',
            coalesce(machine.reason, '')
        ) as reason,
        machine.evidence_score as evidence_score,
        requests.received_at as received_at,
        greatest(
            requests.received_at,
            coalesce(placed.geocoded_at, requests.received_at),
            coalesce(corrected.geocoded_at, requests.received_at),
            coalesce(corrections.last_corrected_at, requests.received_at)
        ) as located_at,
        greatest(
            requests._ingested_at,
            coalesce(placed._ingested_at, requests._ingested_at),
            coalesce(corrected._ingested_at, requests._ingested_at),
            coalesce(corrections.last_ingested_at, requests._ingested_at)
        ) as _ingested_at
    from requests
    left join machine on requests.request_id = machine.request_id
    left join corrections on requests.request_id = corrections.subject_id
    left join geocodes as placed on requests.request_id = placed.subject_id and placed.correction_id = ''
    left join geocodes as corrected
        on requests.request_id = corrected.subject_id and corrections.place_correction_id = corrected.correction_id

),

final as (

    select
        request_id,
        subject_kind,
        channel,
        state,
        reason,
        facility_kind,
        requested_on,
        language,
        precision,
        longitude,
        latitude,
        uncertainty_m,
        evidence_score,
        is_corrected,
        action,
        correction_id,
        received_at,
        located_at,
        _ingested_at
    from decided

)

select * from final
settings join_use_nulls = 1
