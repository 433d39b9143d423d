{#-
  Rows of a dataset that count, whatever the order in which its loads were finished: those of the newest load with mode replace and of all
  loads asked for after it; of all loads if none replaced. Of a natural key only its last row counts; a contract with mode append keeps
  all rows, except those that a later load with mode upsert brought anew. Every staging model of a dataset starts with it; beside the
  columns of the source it has `_generation`, the generation of the load.
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
    {%- set key -%}
        {%- for column in contract.natural_key %}landed.{{ column }}{{ ', ' if not loop.last }}{% endfor -%}
    {%- endset -%}
    (
        select
            landed.*,
            loads.generation as _generation
        from {{ source(dataset, dataset) }} as landed
        inner join {{ loaded_loads(dataset) }} as loads on landed._load_id = loads.load_id
        -- The same again as a set: the primary key then skips the rows of all other loads.
        where landed._load_id in (select load_id from {{ loaded_loads(dataset) }})
        {%- if contract.natural_key and contract.mode == 'append' %}
        qualify
            (loads.place, landed._row_number)
            >= maxIf((loads.place, landed._row_number), loads.mode = 'upsert') over (partition by {{ key }})
        {%- elif contract.natural_key %}
        order by loads.place desc, landed._row_number desc
        limit 1 by {{ key }}
        {%- endif %}
    )
{%- endmacro %}

{#-
  Loads of a dataset that count: `place` is their order, in which they were asked for. Equal to `effective` in services/warehouse/loads.py.
-#}
{% macro loaded_loads(dataset) -%}
    (
            select
                load_id,
                generation,
                mode,
                (asked_at, generation, load_id) as place
            from (
                select
                    load_id,
                    any(mode) as mode,
                    any(asked_at) as asked_at,
                    argMax(generation, _ingested_at) as generation
                from {{ source('cartulary', 'loads') }}
                where dataset = '{{ dataset }}'
                group by load_id
                having argMax(state, _ingested_at) = 'loaded'
            )
            qualify place >= maxIf(place, mode = 'replace') over ()
        )
{%- endmacro %}
