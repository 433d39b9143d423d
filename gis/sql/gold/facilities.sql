select
    facility_id,
    facility_name,
    facility_kind,
    street,
    housenumber,
    postcode,
    city,
    area_code,
    -- PostGIS' own binary form of a point with SRID 4326.
    concat(unhex('0101000020E6100000'), reinterpretAsFixedString(longitude), reinterpretAsFixedString(latitude)) as geometry
from gold.dim_facilities
