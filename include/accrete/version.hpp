#pragma once

/// The only place of the version number; CMake and the tool read it from here.
#define ACCRETE_VERSION_MAJOR 0
#define ACCRETE_VERSION_MINOR 1
#define ACCRETE_VERSION_PATCH 0
#define ACCRETE_VERSION "0.1.0"
