select * from gold.dim_facilities
