"""Run by the system's Python with PyQGIS: opens a project, counts its features, checks styles, renders a picture; prints JSON."""

import json
import sys

from qgis.core import (
    QgsApplication,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsRenderContext,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize


def render(project, picture, width, height, zoom):
    settings = QgsMapSettings()
    tree = project.layerTreeRoot()
    settings.setLayers([layer for layer in tree.layerOrder() if tree.findLayer(layer.id()).isVisible()])
    settings.setDestinationCrs(project.crs())
    settings.setBackgroundColor(project.backgroundColor())
    settings.setTransformContext(project.transformContext())
    settings.setOutputSize(QSize(width, height))
    settings.setOutputDpi(96)
    extent = project.viewSettings().defaultViewExtent()
    extent.scale(1 / zoom)
    settings.setExtent(extent)
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    image = job.renderedImage()
    image.save(picture)
    colours = {}
    for x in range(0, width, 2):
        for y in range(0, height, 2):
            name = image.pixelColor(x, y).name()
            colours[name] = colours.get(name, 0) + 1
    return {"scale": settings.scale(), "colours": colours, "errors": [error.message for error in job.errors()]}


def probe_project(path, picture, width, height, zoom):
    project = QgsProject.instance()
    opened = project.read(path)
    tree = project.layerTreeRoot()
    layers = []
    for layer in project.mapLayers().values():
        found = {"name": layer.name(), "valid": layer.isValid(), "crs": layer.crs().authid(), "provider": layer.providerType()}
        found["shown"] = tree.findLayer(layer.id()).isVisible()
        if isinstance(layer, QgsVectorLayer):
            found["count"] = layer.featureCount() if layer.isValid() else None
            found["read"] = sum(1 for _ in layer.getFeatures()) if layer.isValid() else None
            found["renderer"] = layer.renderer().type() if layer.renderer() else None
            found["labels"] = layer.labelsEnabled()
            found["symbols"] = len(layer.renderer().symbols(QgsRenderContext())) if layer.renderer() else 0
        layers.append(found)
    result = {"opened": opened, "title": project.title(), "crs": project.crs().authid(), "layers": layers}
    result["groups"] = [group.name() for group in tree.findGroups()]
    result["choices"] = [group.name() for group in tree.findGroups() if group.isMutuallyExclusive()]
    if picture:
        result["picture"] = render(project, picture, width, height, zoom)
    return result


def walk(rule, rules):
    for child in rule.children():
        is_valid = not child.filter() or not child.filter().hasParserError()
        rules.append({"filter": child.filterExpression(), "valid": is_valid, "label": child.label()})
        walk(child, rules)


def probe_styles(files):
    found = {}
    for path, geometry in files:
        fields = "".join(
            f"&field={name}:double" for name in ("coverage_share", "request_count", "resolution", "level", "address_point_count")
        )
        fields += "".join(f"&field={name}:string" for name in ("facility_kind", "parent_code", "state", "area_name", "facility_name"))
        layer = QgsVectorLayer(f"{geometry}?crs=EPSG:4326{fields}", "probe", "memory")
        if path.endswith(".sld"):
            message, is_loaded = layer.loadSldStyle(path)
        else:
            message, is_loaded = layer.loadNamedStyle(path)
        rules = []

        if layer.renderer().type() == "RuleRenderer":
            walk(layer.renderer().rootRule(), rules)
        found[path] = {"loaded": is_loaded, "message": message, "renderer": layer.renderer().type(), "rules": rules}
    return found


def main():
    job = json.loads(sys.argv[1])
    application = QgsApplication([], False)
    application.initQgis()
    if "project" in job:
        result = probe_project(job["project"], job.get("picture"), job.get("width", 1000), job.get("height", 760), job.get("zoom", 1))
    else:
        result = probe_styles(job["styles"])
    print("RESULT " + json.dumps(result))
    QgsProject.instance().clear()
    application.exitQgis()


main()
