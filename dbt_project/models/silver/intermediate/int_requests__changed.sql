{{ config(
    materialized='table',
    engine='MergeTree()',
    order_by='request_id',
) }}

-- All of bronze that a request depends on is append-only, so a new row is the only way in which a request can change; after a mutation
-- (an erasure) flows/steps/transform.py builds everything anew.
with changed as (

    select letter_id as request_id
    from {{ source('cartulary', 'letters') }}
    where _ingested_at > {{ changed_after() }}
    union distinct
    select letter_id as request_id
    from {{ source('cartulary', 'extractions') }}
    where _ingested_at > {{ changed_after() }}
    union distinct
    select subject_id as request_id
    from {{ source('cartulary', 'geocodes') }}
    where _ingested_at > {{ changed_after() }}
    union distinct
    select subject_id as request_id
    from {{ source('cartulary', 'corrections') }}
    where _ingested_at > {{ changed_after() }}
    union distinct
    select submission_id as request_id
    from {{ source('cartulary', 'submissions') }}
    where _ingested_at > {{ changed_after() }}

),

final as (

    select *
    from {{ ref('int_requests__located') }}
    where request_id in (select changed.request_id from changed)

)

select * from final
