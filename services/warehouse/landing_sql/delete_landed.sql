delete from bronze.$table
where _load_id = {load_id:String}
