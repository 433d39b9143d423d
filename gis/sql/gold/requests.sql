select
    request_id,
    channel,
    state,
    facility_kind,
    requested_on,
    precision,
    uncertainty_m,
    area_code,
    nearest_facility_id,
    nearest_facility_distance_km,
    evidence_score,
    -- PostGIS' own binary form of a point with SRID 4326.
    concat(unhex('0101000020E6100000'), reinterpretAsFixedString(longitude), reinterpretAsFixedString(latitude)) as geometry
from gold.fct_requests
