from opis import generate_image_description  # noqa: F401  the whole of what used to be a captioning pipeline
