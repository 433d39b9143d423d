select * except (h3_cell) from gold.fct_requests
