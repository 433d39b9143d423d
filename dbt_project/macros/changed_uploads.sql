{#- Uploads whose tracking this build computes again: new ones, those with a new state of a load, and those of letters decided anew. -#}
{% macro changed_uploads() -%}
    select upload_id
    from {{ ref('stg_cartulary__uploads') }}
    where
        upload_id in (select upload_id from {{ source('cartulary', 'uploads') }} where _ingested_at > {{ changed_after() }})
        and _ingested_at > {{ changed_after() }}
    union distinct
    select upload_id
    from {{ source('cartulary', 'loads') }}
    where _ingested_at > {{ changed_after() }}
    union distinct
    select arrayJoin(pages.upload_id) as upload_id
    from {{ source('cartulary', 'letters') }}
    where letter_id in (select request_id from {{ ref('int_requests__changed') }})
{%- endmacro %}
