"""Land of the demo region: area polygons that share every border vertex, dissolved from one mosaic of small cells."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from shapely import MultiPoint, MultiPolygon, Polygon, STRtree, coverage_union_all, get_parts, normalize, set_precision, voronoi_polygons

from flows.demo.plan import Plan, Point

SEA = ""
# Share of a cell's size by which its middle is moved: borders look grown, and no cell gets too thin.
CELL_JITTER = 0.38
# Borders wander this far from the straight lines between the centres.
WARP_METRES = 140.0


@dataclass(frozen=True)
class Terrain:
    """Polygons in metres of the local plane: one per leaf of the area tree, and those of the municipalities above."""

    leaves: Mapping[str, MultiPolygon]
    municipalities: Mapping[str, MultiPolygon]


def shape_terrain(plan: Plan, rng: np.random.Generator) -> Terrain:
    """Divide the island among the settlements of the plan."""
    cells = _mosaic(plan, rng)
    near = _neighbours(cells)
    owners = _without_splinters(_assign(plan, cells, rng), near, {leaf.code: 2 if leaf.exclave else 1 for leaf in plan.settlements})
    leaves = {leaf.code: _union([cells[number] for number, owner in enumerate(owners) if owner == leaf.code]) for leaf in plan.settlements}
    municipalities = {
        town.code: _union([leaves[leaf.code] for leaf in plan.settlements if town.code in {leaf.code, leaf.parent}])
        for town in plan.municipalities
    }
    return Terrain(leaves, municipalities)


def _mosaic(plan: Plan, rng: np.random.Generator) -> list[Polygon]:
    """Voronoi cells of jittered points; vertices on a 1 cm grid, so that neighbours agree exactly after any projection."""
    size = plan.extent.cell
    across = np.arange(-1, plan.extent.width / size + 1)
    along = np.arange(-1, plan.extent.height / size + 1)
    middles = np.stack(np.meshgrid(across, along, indexing="ij"), axis=-1).reshape(-1, 2)
    middles = (middles + rng.uniform(-CELL_JITTER, CELL_JITTER, middles.shape)) * size
    diagram = set_precision(voronoi_polygons(MultiPoint(np.round(middles, 1))), 0.01, mode="pointwise")
    return sorted((cell for cell in get_parts(diagram).tolist() if isinstance(cell, Polygon)), key=_middle)


def _middle(cell: Polygon) -> Point:
    return cell.centroid.x, cell.centroid.y


def _neighbours(cells: Sequence[Polygon]) -> list[list[int]]:
    """Numbers of the cells that share an edge with each cell."""
    near: list[list[int]] = [[] for _ in cells]
    pairs = STRtree(cells).query(cells, predicate="intersects")
    for one, other in sorted(zip(*pairs.tolist(), strict=True)):
        if one != other and len(set(cells[one].exterior.coords) & set(cells[other].exterior.coords)) >= 2:
            near[one].append(other)
    return near


def _assign(plan: Plan, cells: Sequence[Polygon], rng: np.random.Generator) -> list[str]:
    """Each cell to the settlement with the nearest centre, after a gentle warp; beyond the shore is sea."""
    phases = rng.uniform(0, 2 * math.pi, 6)
    owners: list[str] = []
    for cell in cells:
        x, y = _middle(cell)
        exclave = next(
            (leaf for leaf in plan.settlements if leaf.exclave and math.dist((x, y), leaf.exclave.centre) < leaf.exclave.radius), None
        )
        bent = (x + WARP_METRES * math.sin(y / 420 + phases[0]), y + WARP_METRES * math.sin(x / 420 + phases[1]))
        if exclave:
            owners.append(exclave.code)
        elif _is_sea(plan, (x, y), phases[2:]):
            owners.append(SEA)
        else:
            owners.append(min(plan.settlements, key=lambda leaf: min(math.dist(bent, point) for point in (leaf.centre, *leaf.also))).code)
    return owners


def _is_sea(plan: Plan, point: Point, phases: np.ndarray) -> bool:
    """Outside a bent rounded rectangle, but never within 1.2 radii of a settlement's centre."""
    if any(math.dist(point, leaf.centre) < leaf.radius * 1.2 for leaf in plan.settlements):
        return False
    u, v = 2 * point[0] / plan.extent.width - 1, 2 * point[1] / plan.extent.height - 1
    direction = math.atan2(v, u)
    shore = (
        0.9
        + 0.05 * math.sin(3 * direction + phases[0])
        + 0.04 * math.sin(5 * direction + phases[1])
        + 0.03 * math.sin(9 * direction + phases[2])
    )
    return math.hypot(u * u, v * v) > shore * shore


def _without_splinters(owners: list[str], near: Sequence[Sequence[int]], wanted: Mapping[str, int]) -> list[str]:
    """Give every piece of land that is cut off from its settlement to the neighbour that touches it most; islets sink."""
    for code in sorted({*wanted, SEA}):
        pieces = sorted(_pieces(owners, near, code), key=lambda piece: (-len(piece), min(piece)))
        for piece in pieces[wanted.get(code, 1) :]:
            touching = Counter(owners[other] for number in piece for other in near[number] if owners[other] != code)
            heir = min(touching, key=lambda owner: (-touching[owner], owner))
            for number in piece:
                owners[number] = heir
    return owners


def _pieces(owners: Sequence[str], near: Sequence[Sequence[int]], code: str) -> Iterator[set[int]]:
    left = {number for number, owner in enumerate(owners) if owner == code}
    while left:
        edge = {min(left)}
        piece: set[int] = set()
        while edge:
            piece |= edge
            left -= edge
            edge = {other for number in edge for other in near[number]} & left
        yield piece


def _union(parts: Sequence[Polygon | MultiPolygon]) -> MultiPolygon:
    """Dissolve polygons whose borders agree vertex by vertex; the vertices stay as they are."""
    return MultiPolygon([part for part in get_parts(normalize(coverage_union_all(parts))).tolist() if isinstance(part, Polygon)])
