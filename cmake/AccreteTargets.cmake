# The targets accrete::accrete, accrete::image and accrete::device, all of them headers only.
accrete_find_dependencies()

file(GLOB_RECURSE accrete_headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/accrete/*.hpp")
file(GLOB_RECURSE accrete_device_headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/accrete/device/*.hpp" "${PROJECT_SOURCE_DIR}/include/accrete/*.cuh"
     "${PROJECT_SOURCE_DIR}/include/accrete/accrete_device.hpp")
list(REMOVE_ITEM accrete_headers ${accrete_device_headers})

add_library(accrete_accrete INTERFACE)
add_library(accrete::accrete ALIAS accrete_accrete)
set_target_properties(accrete_accrete PROPERTIES EXPORT_NAME accrete)
target_compile_features(accrete_accrete INTERFACE cxx_std_20)
target_sources(accrete_accrete INTERFACE FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/include" FILES ${accrete_headers})

if(ACCRETE_IMAGE_FOUND)
  add_library(accrete_image INTERFACE)
  add_library(accrete::image ALIAS accrete_image)
  set_target_properties(accrete_image PROPERTIES EXPORT_NAME image)
  target_link_libraries(accrete_image INTERFACE accrete_accrete)
endif()

if(ACCRETE_DEVICE_FOUND)
  add_library(accrete_device INTERFACE)
  add_library(accrete::device ALIAS accrete_device)
  set_target_properties(accrete_device PROPERTIES EXPORT_NAME device)
  target_link_libraries(accrete_device INTERFACE accrete_accrete)
  target_sources(accrete_device INTERFACE FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/include" FILES ${accrete_device_headers})
endif()

accrete_attach_dependencies(accrete_accrete accrete_image accrete_device BUILD_ONLY)
