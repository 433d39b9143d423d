{{ config(
    materialized='table',
    order_by='(cell, facility_kind)',
    tags=['reference'],
    query_settings={'max_bytes_before_external_group_by': 500000000},
) }}

{{ nearest_candidates(ref('int_address_points__located')) }}
