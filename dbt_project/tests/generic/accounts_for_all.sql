{#- The counts of a mart add up to the rows of the model that it counts: nothing is lost and nothing is counted twice. -#}
{% test accounts_for_all(model, sum_of, other) %}

with counted as (

    select
        (select sum({{ sum_of }}) from {{ model }}) as counted_rows,
        (select count() from {{ other }}) as other_row_count

)

select * from counted
where counted_rows != other_row_count

{% endtest %}
