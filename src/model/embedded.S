/* The embedded model, mapped in place from the program: models/opis-small.gguf between two symbols, on a page of its own. */
	.section .rodata.opis_embedded_model, "a", %progbits
	.global opis_embedded_model
	.hidden opis_embedded_model
	.type opis_embedded_model, %object
	.balign 4096
opis_embedded_model:
	.incbin OPIS_EMBEDDED_MODEL
	.global opis_embedded_model_end
	.hidden opis_embedded_model_end
opis_embedded_model_end:
	.byte 0
	.section .note.GNU-stack, "", %progbits
