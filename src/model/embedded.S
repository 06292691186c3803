/* The embedded model, mapped in place from the program: models/opis-small.gguf between two symbols. It begins where a large page of memory does,
 * in the file and when mapped, so that the system can map whole large pages of a file that it holds in memory: 19 MB of weights are there in 0.2 ms then, in 1 ms page by page. */
	.section .rodata.opis_embedded_model, "a", %progbits
	.global opis_embedded_model
	.hidden opis_embedded_model
	.type opis_embedded_model, %object
	.balign 2097152
opis_embedded_model:
	.incbin OPIS_EMBEDDED_MODEL
	.global opis_embedded_model_end
	.hidden opis_embedded_model_end
opis_embedded_model_end:
	.byte 0
	.section .note.GNU-stack, "", %progbits
