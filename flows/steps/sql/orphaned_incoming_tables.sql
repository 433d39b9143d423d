select name
from system.tables
where
    database = 'bronze'
    and startsWith(name, 'incoming_')
    and metadata_modification_time < now() - toIntervalSecond({age_seconds:UInt32})
