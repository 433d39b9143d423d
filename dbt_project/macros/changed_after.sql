{#- What this build computes again is what has a bronze row ingested after this moment; without a build running, everything. -#}
{% macro changed_after() -%}
    (select argMax(changed_after, (generation, _ingested_at)) from {{ source('cartulary', 'build_journal') }} where state = 'started')
{%- endmacro %}
