# How our own programs (tests, benchmarks, examples) are compiled. Nothing of this reaches a user of the targets.
add_library(accrete_strict INTERFACE)
target_compile_options(accrete_strict INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wconversion;-Wsign-conversion;-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 reports its own AVX-512 intrinsics, inlined into Eigen (GCC bug 105593). The build with clang sees what is really uninitialised.
  target_compile_options(accrete_strict INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized;-Wno-uninitialized>)
endif()
if(ACCRETE_NATIVE)
  target_compile_options(accrete_strict INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-march=native> $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-march=native>)
endif()
if(ACCRETE_SANITIZE)
  target_compile_options(accrete_strict INTERFACE -fsanitize=${ACCRETE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(accrete_strict INTERFACE -fsanitize=${ACCRETE_SANITIZE})
endif()

find_program(ACCRETE_CCACHE ccache)
mark_as_advanced(ACCRETE_CCACHE)
if(ACCRETE_CCACHE AND PROJECT_IS_TOP_LEVEL AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${ACCRETE_CCACHE}")
  set(CMAKE_CUDA_COMPILER_LAUNCHER "${ACCRETE_CCACHE}")
endif()

set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CUDA_EXTENSIONS OFF)

# accrete_program(<target> <sources...>): a program of ours with every part of accrete that this machine has.
function(accrete_program target)
  add_executable(${target} ${ARGN})
  accrete_own(${target})
endfunction()

# accrete_own(<target>): compiles a target as our own code.
function(accrete_own target)
  target_link_libraries(${target} PRIVATE accrete::accrete accrete_strict)
  if(TARGET accrete::image)
    target_link_libraries(${target} PRIVATE accrete::image)
  endif()
endfunction()
