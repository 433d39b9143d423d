{#- Databases are literally silver and gold; gold is built into gold_next, tested there, and exchanged by flows/steps/transform.py. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- if custom_schema_name is none -%}{{ target.schema }}
    {%- elif custom_schema_name == 'gold' -%}gold_next
    {%- else -%}{{ custom_schema_name | trim }}
    {%- endif -%}
{%- endmacro %}
