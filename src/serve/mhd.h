/* libmicrohttpd, opened when the server starts. Linking it would load GnuTLS and its eight libraries at every start of the program, which `opis describe` pays for nothing
 * (measured: 1.6 of the 2.5 ms that an empty program then takes). Calls are written mhd.MHD_queue_response(...). */
#ifndef SERVE_MHD_H
#define SERVE_MHD_H

#include <microhttpd.h>

#define MHD_FUNCTIONS(F)                                                                                                                                                           \
  F(MHD_start_daemon)                                                                                                                                                              \
  F(MHD_stop_daemon)                                                                                                                                                               \
  F(MHD_quiesce_daemon)                                                                                                                                                            \
  F(MHD_queue_response)                                                                                                                                                            \
  F(MHD_create_response_from_buffer)                                                                                                                                               \
  F(MHD_create_response_from_callback)                                                                                                                                             \
  F(MHD_destroy_response)                                                                                                                                                          \
  F(MHD_add_response_header)                                                                                                                                                       \
  F(MHD_lookup_connection_value)                                                                                                                                                   \
  F(MHD_get_connection_values_n)                                                                                                                                                   \
  F(MHD_get_connection_info)                                                                                                                                                       \
  F(MHD_suspend_connection)                                                                                                                                                        \
  F(MHD_resume_connection)

typedef struct mhd_library {
#define MHD_MEMBER(name) __typeof__(name) *name;
  MHD_FUNCTIONS(MHD_MEMBER)
#undef MHD_MEMBER
} mhd_library;

extern mhd_library mhd;

int mhd_open(void); /* once, before any call; OPIS_EUNSUPPORTED where the library is not installed */

#endif
