-- What this build computed again is in the fact exactly when it has a place.
with changed as (

    select
        request_id,
        state in ('located', 'approximate') as is_placed
    from {{ ref('int_requests__changed') }}

),

facts as (

    select request_id
    from {{ ref('fct_requests') }}
    {% if not flags.FULL_REFRESH %}where request_id in ({{ changed_requests() }}){% endif %}

)

select changed.request_id
from changed
left join facts on changed.request_id = facts.request_id
where changed.is_placed != (facts.request_id != '')
settings join_use_nulls = 0
