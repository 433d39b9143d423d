with corrections as (

    select
        *,
        tuple(corrected_at, correction_id) as decided,
        -- A correct of the kind or the date alone leaves the place as somebody put it; where nobody did, it vouches for the address read.
        tuple(action = 'place' or coalesce(street, housenumber, postcode, city) is not null, corrected_at, correction_id) as placed,
        maxIf(tuple(corrected_at, correction_id), action = 'reopen') over (partition by subject_id) as reopened
    from {{ ref('stg_cartulary__corrections') }}

),

-- A reopen undoes all before it, also what was corrected; it is itself the last decision until another comes.
final as (

    select
        subject_id,
        argMax(corrections.correction_id, decided) as correction_id,
        argMax(corrections.action, decided) as action,
        argMaxIf(corrections.sender_name, decided, decided > reopened and corrections.sender_name is not null) as sender_name,
        argMaxIf(corrections.street, decided, decided > reopened and corrections.street is not null) as street,
        argMaxIf(corrections.housenumber, decided, decided > reopened and corrections.housenumber is not null) as housenumber,
        argMaxIf(corrections.postcode, decided, decided > reopened and corrections.postcode is not null) as postcode,
        argMaxIf(corrections.city, decided, decided > reopened and corrections.city is not null) as city,
        argMaxIf(corrections.letter_date, decided, decided > reopened and corrections.letter_date is not null) as letter_date,
        argMaxIf(corrections.facility_kind, decided, decided > reopened and corrections.facility_kind is not null) as facility_kind,
        argMaxIf(corrections.correction_id, placed, decided > reopened and corrections.action in ('correct', 'place')) as place_correction_id,
        argMaxIf(corrections.action, placed, decided > reopened and corrections.action in ('correct', 'place')) as place_action,
        tupleElement(
            argMaxIf(tuple(corrections.longitude), placed, decided > reopened and corrections.action in ('correct', 'place')), 1
        ) as longitude,
        tupleElement(
            argMaxIf(tuple(corrections.latitude), placed, decided > reopened and corrections.action in ('correct', 'place')), 1
        ) as latitude,
        max(corrected_at) as last_corrected_at,
        max(_ingested_at) as last_ingested_at
    from corrections
    group by subject_id

)

select * from final
