"""Anthropometric landmarks as Face Mesh vertices; a pair is (subject's right, subject's left).

The subject's right lies on the left of the image. Names after Farkas, "Anthropometry of the Head and Face", 1994.
"""

LANDMARKS = 478
"""Vertices of the mesh, with the ten refined iris points at the end."""

SHAPE_LANDMARKS = 468
"""Vertices that describe the shape of the face: all but the irises, which follow the gaze."""

ENDOCANTHION = (133, 362)
"""Inner corners of the eyes (en)."""

EXOCANTHION = (33, 263)
"""Outer corners of the eyes (ex)."""

EYELID_CENTRES = ((159, 145), (386, 374))
"""Middle of the upper and lower lid (palpebrale superius, inferius), per eye."""

EYELIDS = (((159, 145), (160, 144), (158, 153)), ((386, 374), (387, 373), (385, 380)))
"""Three (upper, lower) pairs along the lids, per eye."""

BROWS = ((46, 53, 52, 65, 55), (276, 283, 282, 295, 285))
"""Lower edges of the brows."""

BROW_INNER = (107, 336)
BROW_MIDDLE = (105, 334)

FOREHEAD_TOP = 10
"""Top of the mesh, mid-forehead. Not the hairline (trichion), which the mesh does not have."""

GLABELLA = 9
NASION = 168
SUBNASALE = 2

ALARE = (129, 358)
"""Sides of the nose (al)."""

LABIALE_SUPERIUS = 0
STOMION_UPPER = 13
STOMION_LOWER = 14
LABIALE_INFERIUS = 17

CHEILION = (61, 291)
"""Corners of the mouth (ch)."""

GNATHION = 152
"""Lowest point of the chin (gn), not the skin below the lower lip (18)."""

ZYGION = (234, 454)
"""Widest points of the cheekbones (zy). Proxy: on the mesh's contour in front of the ear, not on bone."""

GONION = (172, 397)
"""Angles of the jaw (go). Proxy: on the mesh's contour."""

FRONTOTEMPORALE = (54, 284)
"""Temples (ft). Proxy: on the mesh's contour."""

CHIN_CONTOUR = (149, 378)
"""Sides of the chin. Proxy: on the mesh's contour."""
