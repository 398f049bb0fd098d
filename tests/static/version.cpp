#include <accrete/version.hpp>

#include <string_view>

#define ACCRETE_TEXT_OF(value) #value
#define ACCRETE_TEXT(value) ACCRETE_TEXT_OF(value)

// The text and the numbers are two spellings of one version.
static_assert(std::string_view(ACCRETE_VERSION) == ACCRETE_TEXT(ACCRETE_VERSION_MAJOR) "." ACCRETE_TEXT(ACCRETE_VERSION_MINOR) "." ACCRETE_TEXT(ACCRETE_VERSION_PATCH));
