delete from bronze.rejected_rows
where load_id = {load_id:String} and row_number > {last:UInt64}
