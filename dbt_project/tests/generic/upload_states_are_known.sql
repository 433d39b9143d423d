{#- One row per upload with a known state; of a table that grows with every file only the rows that this build computed again are looked at. -#}
{% test upload_states_are_known(model) %}

with counted as (

    select
        count() as row_count,
        uniqExact(upload_id) as key_count,
        countIf(
            state not in ('refused', 'stored', 'started', 'loaded', 'failed', 'located', 'approximate', 'review', 'rejected')
        ) as unknown_count
    from {{ model }}
    {% if not flags.FULL_REFRESH %}where upload_id in ({{ changed_uploads() }}){% endif %}

)

select * from counted
where row_count != key_count or unknown_count > 0

{% endtest %}
