// Linked into every test program: if a class or an inline function had another body here than in a test, the linker or the
// sanitizers would meet both. The linter sees all headers through this file.
#include <accrete/accrete.hpp>
#include <accrete/accrete_device.hpp>
#include <accrete/accrete_image.hpp>
