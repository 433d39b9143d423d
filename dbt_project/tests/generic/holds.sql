{#-
  Every expression is true (or null) for every row; all of them in one scan. Fails with one row per broken expression. With `changed_key`
  only rows whose key this build computed again are looked at: the others were tested when they were built.
-#}
{% test holds(model, expressions, changed_key=none) %}

with counted as (

    select
        arrayJoin(
            [
                {%- for expression in expressions %}
                ({{ "'" ~ (expression | replace("\\", "\\\\") | replace("'", "\\'")) ~ "'" }}, countIf(not ifNull(toBool({{ expression }}), true))){{ ',' if not loop.last }}
                {%- endfor %}
            ]
        ) as result
    from {{ model }}
    {% if changed_key and not flags.FULL_REFRESH %}where {{ changed_key }} in (select request_id from {{ ref('int_requests__changed') }}){% endif %}

)

select
    result.1 as broken_expression,
    result.2 as broken_row_count
from counted
where result.2 > 0

{% endtest %}
