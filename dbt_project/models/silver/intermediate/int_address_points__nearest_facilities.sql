{{ config(
    materialized='table',
    order_by='(facility_kind, address_id)',
    tags=['reference'],
    query_settings={'max_bytes_before_external_group_by': 500000000},
) }}

{{ nearest_facilities(ref('int_address_points__located'), 'address_id') }}
