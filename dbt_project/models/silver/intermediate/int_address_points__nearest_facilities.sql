{{ config(
    materialized='table',
    order_by='(address_id, facility_kind)',
    tags=['reference'],
    query_settings={'max_bytes_before_external_group_by': 500000000},
) }}

{{ nearest_facilities(ref('int_address_points__located'), 'address_id', ref('int_address_points__candidates')) }}
