"""How the map's layers look: one file per layer, from which GeoServer's SLD and QGIS's .qml are both made."""
