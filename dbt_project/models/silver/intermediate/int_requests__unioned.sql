with letters as (

    select * from {{ ref('stg_cartulary__letters') }}

),

extractions as (

    select * from {{ ref('int_letters__latest_extractions') }}

),

submissions as (

    select * from {{ ref('stg_cartulary__submissions') }}

),

read_letters as (

    select
        extractions.letter_id as request_id,
        'letter' as subject_kind,
        'letter' as channel,
        extractions.facility_kind as facility_kind,
        extractions.letter_date as letter_date,
        extractions.language as language,
        cast(null as Nullable(Float64)) as given_longitude,
        cast(null as Nullable(Float64)) as given_latitude,
        letters.received_at as received_at,
        greatest(letters._ingested_at, extractions._ingested_at) as _ingested_at
    from extractions
    inner join letters on extractions.letter_id = letters.letter_id

),

typed_submissions as (

    select
        submission_id as request_id,
        'submission' as subject_kind,
        channel,
        facility_kind,
        cast(null as Nullable(Date32)) as letter_date,
        '' as language,
        longitude as given_longitude,
        latitude as given_latitude,
        received_at,
        _ingested_at
    from submissions

),

final as (

    select * from read_letters
    union all
    select * from typed_submissions

)

select * from final
