-- One row per kind: the facility nearest to a point. Few thousand facilities: measuring all of them is cheaper than an index.
with
    measured as (
        select
            facility_kind,
            facility_id,
            facility_name,
            round(h3PointDistKm({latitude:Float64}, {longitude:Float64}, latitude, longitude), 6) as distance_km
        from gold.dim_facilities
    ),

    nearest as (
        select
            facility_kind,
            argMin(measured.facility_id, (measured.distance_km, measured.facility_id)) as facility_id,
            argMin(measured.facility_name, (measured.distance_km, measured.facility_id)) as facility_name,
            min(measured.distance_km) as distance_km
        from measured
        group by facility_kind
    )

select
    kinds.facility_kind as facility_kind,
    kinds.weight as weight,
    kinds.distance_km as coverage_distance_km,
    kinds.max_distance_km as max_distance_km,
    nearest.facility_id as facility_id,
    nearest.facility_name as facility_name,
    nearest.distance_km as distance_km
from gold.dim_facility_kinds as kinds
left join nearest on nearest.facility_kind = kinds.facility_kind
order by kinds.facility_kind
settings join_use_nulls = 1
