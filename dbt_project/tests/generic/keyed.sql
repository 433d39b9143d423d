{#- The columns are a key: never null or empty, never twice; both in one scan. `changed_key` as in the test holds. -#}
{% test keyed(model, columns, changed_key=none, may_be_empty=false) %}

with counted as (

    select
        count() as row_count,
        uniqExact({{ columns | join(', ') }}) as key_count,
        {%- if may_be_empty %}
        countIf({% for column in columns %}{{ column }} is null{{ ' or ' if not loop.last }}{% endfor %}) as missing_count
        {%- else %}
        countIf({% for column in columns %}{{ column }} is null or toString({{ column }}) = ''{{ ' or ' if not loop.last }}{% endfor %}) as missing_count
        {%- endif %}
    from {{ model }}
    {% if changed_key and not flags.FULL_REFRESH %}where {{ changed_key }} in (select request_id from {{ ref('int_requests__changed') }}){% endif %}

)

select * from counted
where row_count != key_count or missing_count > 0

{% endtest %}
