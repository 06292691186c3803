"""The page that opis serve replaces, on the same engine: run by bench/serve_page.py."""
import opis
import streamlit as st

model = st.cache_resource(opis.Model)() if hasattr(opis, 'Model') else None
st.title('Описание изображения с помощью модели opis-small')
file = st.file_uploader('Загрузите изображение для описания')
if file is not None:
    data = file.getvalue()
    st.image(data)
    st.write('Описание изображения: ' + opis.generate_image_description(data, model=model))
