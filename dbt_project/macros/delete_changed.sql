{#-
  Before an incremental model adds what this build computed again, its former rows go: also those of requests that left it (rejected, or in
  review again), which delete+insert by the new rows' keys would leave behind.
-#}
{% macro delete_changed(key) -%}
    {%- if is_incremental() -%}
        delete from {{ this }} where {{ key }} in (select request_id from {{ ref('int_requests__changed') }})
    {%- endif -%}
{%- endmacro %}
