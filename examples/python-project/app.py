import opis
import streamlit as st

st.title("Описание изображения с помощью модели opis-small")
uploaded = st.file_uploader("Загрузите изображение для описания", type=["jpg", "jpeg", "png", "webp", "gif"])
if uploaded is not None:
    try:
        description = opis.generate_image_description(uploaded.getvalue())
    except opis.Error as error:
        st.error(f"Описать не удалось: {error}")
    else:
        st.image(uploaded)
        st.write("Описание изображения:", description)
