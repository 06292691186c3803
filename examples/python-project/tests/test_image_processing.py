"""The unit tests of a captioning project, as they were before opis."""
import io
import pathlib
import unittest

from PIL import Image
from scripts.image_processing import generate_image_description

PHOTO = pathlib.Path(__file__).parents[2] / "cat.jpg"


class TestGenerateImageDescription(unittest.TestCase):
    def test_real_file(self):
        description = generate_image_description(str(PHOTO))
        self.assertIsInstance(description, str)
        self.assertGreater(len(description), 0)

    def test_bytes(self):
        self.assertIsInstance(generate_image_description(PHOTO.read_bytes()), str)

    def test_pil_image(self):
        buffer = io.BytesIO()
        Image.new("RGB", (64, 64), "red").save(buffer, "PNG")
        buffer.seek(0)
        self.assertIsInstance(generate_image_description(Image.open(buffer)), str)

    def test_missing_file(self):
        with self.assertRaises(FileNotFoundError):
            generate_image_description("no_such_picture.jpg")

    def test_wrong_type(self):
        with self.assertRaises(ValueError):
            generate_image_description(12345)


if __name__ == "__main__":
    unittest.main()
