delete from bronze.$table $on_cluster
where _load_id = {load_id:String}
