{#-
  Before an incremental model adds what this build computed again, the former rows of the same keys go: also those of requests that left it
  (rejected, or in review again), which delete+insert by the new rows' keys would leave behind. New requests have no former rows, and then
  this is one short query. Otherwise only the buckets (partitions) that have such rows are written again without them: a
  mutation would do the same, but waits for a background thread, and four at once made chDB 26.7 stand still for ever.
-#}
{% macro forget_changed(key, changed_keys) -%}
    {%- if execute and is_incremental() -%}
        {%- set found = run_query('select distinct _partition_id from ' ~ this ~ ' where ' ~ key ~ ' in (' ~ changed_keys ~ ')') -%}
        {%- set buckets = found.rows | map(attribute=0) | list -%}
        {%- if buckets -%}
            {%- set kept = this.schema ~ '.' ~ this.identifier ~ '__kept' -%}
            {%- do run_query('drop table if exists ' ~ kept ~ ' sync') -%}
            {%- do run_query('create table ' ~ kept ~ ' as ' ~ this) -%}
            {%- do run_query(
                'insert into ' ~ kept ~ ' select * from ' ~ this ~ " where _partition_id in ('" ~ buckets | join("', '") ~ "') and "
                ~ key ~ ' not in (' ~ changed_keys ~ ')'
            ) -%}
            {%- for bucket in buckets -%}
                {%- do run_query("alter table " ~ this ~ " drop partition id '" ~ bucket ~ "'") -%}
                {%- do run_query("alter table " ~ this ~ " attach partition id '" ~ bucket ~ "' from " ~ kept) -%}
            {%- endfor -%}
            {%- do run_query('drop table ' ~ kept ~ ' sync') -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- Requests that this build computes again, as a subquery for forget_changed. -#}
{% macro changed_requests() -%}
    select request_id from {{ ref('int_requests__changed') }}
{%- endmacro %}
