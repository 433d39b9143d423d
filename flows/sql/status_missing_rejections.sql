select
    loads.load_id as load_id,
    loads.rejected_rows as rejected_rows,
    rejections.kept_rows as kept_rows
from (select load_id, rejected_rows from bronze.loads where state = 'loaded' limit 1 by load_id) as loads
left join (select load_id, count() as kept_rows from bronze.rejected_rows group by load_id) as rejections
    on rejections.load_id = loads.load_id
where rejections.kept_rows != loads.rejected_rows
