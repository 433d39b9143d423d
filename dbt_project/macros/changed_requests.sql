{#- Requests that have a bronze row of which this build is the first to know. -#}
{% macro changed_request_ids() -%}
    select letter_id as request_id from {{ source('cartulary', 'letters') }} where _ingested_at > {{ changed_after() }}
    union all
    select letter_id as request_id from {{ source('cartulary', 'extractions') }} where _ingested_at > {{ changed_after() }}
    union all
    select subject_id as request_id from {{ source('cartulary', 'geocodes') }} where _ingested_at > {{ changed_after() }}
    union all
    select subject_id as request_id from {{ source('cartulary', 'corrections') }} where _ingested_at > {{ changed_after() }}
    union all
    select submission_id as request_id from {{ source('cartulary', 'submissions') }} where _ingested_at > {{ changed_after() }}
{%- endmacro %}

{#-
  Into how many slices the changed requests are cut: the joins behind int_requests__located hold a slice in memory, and 200,000 bronze rows
  of it need about 400 MB. One slice in all builds but the first of a large archive.
-#}
{% macro request_slices() -%}
    {%- if execute -%}
        {%- set counted = run_query('select intDiv(count(), 400000) + 1 as slices from (' ~ changed_request_ids() ~ ')') -%}
        {{- return(counted.rows[0][0] | int) -}}
    {%- endif -%}
    {{- return(1) -}}
{%- endmacro %}

{% macro changed_request_rows(slice, slices) -%}
    select *
    from {{ ref('int_requests__located') }}
    where
        request_id in (
            select request_id
            from ({{ changed_request_ids() }})
            {% if slices > 1 %}where cityHash64(request_id) % {{ slices }} = {{ slice }}{% endif %}
        )
        {% if slices > 1 %}and cityHash64(request_id) % {{ slices }} = {{ slice }}{% endif %}
{%- endmacro %}

{#- Post-hook of int_requests__changed: the slices after the first. -#}
{% macro add_other_slices() -%}
    {%- set slices = request_slices() -%}
    {%- for slice in range(1, slices) -%}
        {%- do run_query('insert into ' ~ this ~ ' ' ~ changed_request_rows(slice, slices)) -%}
    {%- endfor -%}
{%- endmacro %}
