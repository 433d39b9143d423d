{{ config(
    materialized='table',
    order_by='request_id',
    query_settings={'max_bytes_before_external_group_by': 500000000},
) }}

{% set candidates = '(' ~ nearest_candidates(ref('int_requests__placed'), has_kind=true) ~ ')' %}
{{ nearest_facilities(ref('int_requests__placed'), 'request_id', candidates, has_kind=true) }}
