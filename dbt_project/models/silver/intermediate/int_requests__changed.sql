{{ config(
    materialized='table',
    order_by='request_id',
    post_hook='{{ add_other_slices() }}',
) }}

-- All of bronze that a request depends on is append-only, so a new row is the only way in which a request can change; after a mutation
-- (an erasure) flows/steps/transform.py builds everything anew.
-- depends_on: {{ source('cartulary', 'build_journal') }}
-- depends_on: {{ ref('int_requests__located') }}
{{ changed_request_rows(0, request_slices()) }}
