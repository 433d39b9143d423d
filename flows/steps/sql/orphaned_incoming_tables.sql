select name
from system.tables
where
    database = 'bronze'
    and startsWith(name, 'incoming_')
    and toUnixTimestamp(metadata_modification_time) < {before:UInt32}
