{#-
  Rows of a dataset that count: only of loads that finished, as the dataset's contract says. replace: the newest load alone;
  append: all loads; upsert: the newest row of each natural key. Every staging model of a dataset starts with it; beside the columns
  of the source it has `_generation`, the generation of the load.
-#}
{% macro loaded_rows(dataset) -%}
    {%- set contract = namespace(mode='replace', natural_key=[]) -%}
    {%- if execute -%}
        {%- for node in graph.sources.values() if node.source_name == dataset and node.name == dataset -%}
            {%- set meta = node.config.get('meta', {}).get('contract') or node.meta.get('contract', {}) -%}
            {%- set contract.mode = meta.get('mode', 'replace') -%}
            {%- set contract.natural_key = meta.get('natural_key') or [] -%}
            {%- if contract.natural_key is string -%}{%- set contract.natural_key = [contract.natural_key] -%}{%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    (
        select
            landed.*,
            loads.generation as _generation
        from {{ source(dataset, dataset) }} as landed
        inner join {{ loaded_loads(dataset, contract.mode) }} as loads on landed._load_id = loads.load_id
        -- The same again as a set: the primary key then skips the rows of all other loads.
        where landed._load_id in (select load_id from {{ loaded_loads(dataset, contract.mode) }})
        {%- if contract.natural_key %}
        order by loads.generation desc, landed._row_number desc
        limit 1 by {% for column in contract.natural_key %}landed.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
        {%- endif %}
    )
{%- endmacro %}

{#- Loads of a dataset whose newest state is loaded; of a dataset that is replaced, the newest alone. -#}
{% macro loaded_loads(dataset, mode) -%}
    (
            select
                load_id,
                argMax(generation, _ingested_at) as generation
            from {{ source('cartulary', 'loads') }}
            where dataset = '{{ dataset }}'
            group by load_id
            having argMax(state, _ingested_at) = 'loaded'
            {%- if mode == 'replace' %}
            order by generation desc, load_id desc
            limit 1
            {%- endif %}
        )
{%- endmacro %}
